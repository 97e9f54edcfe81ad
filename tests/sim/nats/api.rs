//! What is asked of JetStream by publishing under `$JS.API`, and the answers to it.

use serde_json::{Value, json};

use super::Nats;
use super::consumer::Consumer;
use super::stream::{Stream, completed, rfc3339};
use super::words::Message;

/// Who is refused is told why: a status as of HTTP, a number of its own, words.
type Refusal = (u64, u64, &'static str);

const NO_STREAM: Refusal = (404, 10059, "stream not found");
const NO_CONSUMER: Refusal = (404, 10014, "consumer not found");
const OTHER_CONFIG: Refusal =
    (400, 10058, "stream name already in use with a different configuration");
const OVERLAP: Refusal = (400, 10065, "subjects overlap with an existing stream");
const OTHER_NAME: Refusal = (400, 10056, "stream name in subject does not match request");

impl Nats {
    /// Answers a question. One that is unknown is answered by silence.
    pub(super) fn answer(&mut self, question: &Message) {
        let Some(reply) = &question.reply else { return };
        let tokens: Vec<&str> = question.subject.splitn(6, '.').skip(2).collect();
        let body = serde_json::from_slice(&question.payload).unwrap_or(Value::Null);
        let (kind, outcome) = match tokens[..] {
            ["STREAM", "CREATE", name] => ("stream_create", self.create_stream(name, &body)),
            ["STREAM", "INFO", name] => ("stream_info", self.stream_info(name)),
            ["STREAM", "DELETE", name] => {
                let gone = self.streams.remove(name).map(|_| json!({"success": true}));
                ("stream_delete", gone.ok_or(NO_STREAM))
            }
            ["CONSUMER", "CREATE", stream] => {
                ("consumer_create", self.create_consumer(stream, None, &body))
            }
            ["CONSUMER", "CREATE", stream, rest] => {
                let name = rest.split('.').next();
                ("consumer_create", self.create_consumer(stream, name, &body))
            }
            ["CONSUMER", "INFO", stream, name] => {
                ("consumer_info", self.consumer_info(stream, name))
            }
            ["CONSUMER", "DELETE", stream, name] => {
                ("consumer_delete", self.delete_consumer(stream, name))
            }
            ["INFO"] => ("account_info", Ok(self.account_info())),
            _ => return,
        };
        let mut told = json!({"type": format!("io.nats.jetstream.api.v1.{kind}_response")});
        match outcome {
            Ok(answer) => told.as_object_mut().expect("one").extend(
                answer.as_object().expect("an object").iter().map(|(k, v)| (k.clone(), v.clone())),
            ),
            Err((code, number, words)) => {
                told["error"] = json!({"code": code, "err_code": number, "description": words});
            }
        }
        let message = Message::new(reply, told.to_string());
        self.deliver_internal(&super::Lane::Answers, &message);
    }

    fn account_info(&self) -> Value {
        let consumers: usize = self.streams.values().map(|stream| stream.consumers.len()).sum();
        json!({"memory": 0, "storage": 0, "streams": self.streams.len(), "consumers": consumers})
    }

    fn create_stream(&mut self, name: &str, body: &Value) -> Result<Value, Refusal> {
        if body["name"] != name {
            return Err(OTHER_NAME);
        }
        if !self.streams.contains_key(name) {
            let stream = Stream::new(name, body, self.wall());
            let wanted = stream.subjects();
            let mut others = self.streams.values().flat_map(Stream::subjects);
            if others.any(|other| wanted.contains(&other)) {
                return Err(OVERLAP);
            }
            self.streams.insert(name.to_owned(), stream);
        }
        let stream = &self.streams[name];
        if stream.config != completed(body) {
            return Err(OTHER_CONFIG);
        }
        let mut answer = about(stream);
        answer["did_create"] = json!(true);
        Ok(answer)
    }

    fn stream_info(&self, name: &str) -> Result<Value, Refusal> {
        self.streams.get(name).map(about).ok_or(NO_STREAM)
    }

    fn create_consumer(
        &mut self,
        stream: &str,
        name: Option<&str>,
        body: &Value,
    ) -> Result<Value, Refusal> {
        self.named += 1;
        let name = name.map_or_else(|| format!("eph{:05}", self.named), str::to_owned);
        let (now, wall, window) = (self.now, self.wall(), self.options.flow_window);
        let stream = self.streams.get_mut(stream).ok_or(NO_STREAM)?;
        if !stream.consumers.contains_key(&name) {
            let mut config = body["config"].clone();
            config["stream"] = json!(stream.name);
            let consumer = Consumer::new(&name, &config, stream, (now, wall), window);
            stream.consumers.insert(name.clone(), consumer);
        }
        Ok(stream.consumers[&name].info(stream))
    }

    fn consumer_info(&self, stream: &str, name: &str) -> Result<Value, Refusal> {
        let stream = self.streams.get(stream).ok_or(NO_STREAM)?;
        let consumer = stream.consumers.get(name).ok_or(NO_CONSUMER)?;
        Ok(consumer.info(stream))
    }

    fn delete_consumer(&mut self, stream: &str, name: &str) -> Result<Value, Refusal> {
        let stream = self.streams.get_mut(stream).ok_or(NO_STREAM)?;
        let gone = stream.consumers.remove(name);
        gone.map(|_| json!({"success": true})).ok_or(NO_CONSUMER)
    }
}

fn about(stream: &Stream) -> Value {
    json!({
        "config": stream.config,
        "created": rfc3339(stream.created),
        "state": stream.state(),
    })
}
