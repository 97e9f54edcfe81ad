//! Reads what is kept as JSON, field by field. serde's own readers do the same in four times as
//! many bytes of program (100 kB): they are prepared for every form, and leave at each mistake.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What can be read from JSON.
pub(crate) trait FromJson {
    /// What `value` is. If it is something else, `reading` is told so, and what is returned is of
    /// no use.
    fn from_json(value: &Value, reading: &mut Reading) -> Self;
}

/// Reads all of `value`.
///
/// # Errors
/// What is wrong with the first field with which something is.
pub(crate) fn read<T: FromJson>(value: &Value) -> Result<T, String> {
    let mut reading = Reading { key: "the whole", wrong: None };
    let read = T::from_json(value, &mut reading);
    reading.wrong.map_or(Ok(read), Err)
}

/// Where a reader is, and what it has met.
pub(crate) struct Reading {
    key: &'static str,
    wrong: Option<String>,
}

impl Reading {
    /// What is read now should be `what`.
    fn expect<T: Default>(&mut self, found: Option<T>, what: &str) -> T {
        if found.is_none() {
            self.note(&format!("is not {what}"));
        }
        found.unwrap_or_default()
    }

    fn object<'a>(&mut self, value: &'a Value) -> Option<&'a Map<String, Value>> {
        if !value.is_object() {
            self.note("is not an object");
        }
        value.as_object()
    }

    fn note(&mut self, what: &str) {
        let key = self.key;
        self.wrong.get_or_insert_with(|| format!("{key} {what}"));
    }
}

/// The fields of an object, of which each is asked for by its name. How that is done is not to be
/// inlined: there are more than a hundred of them.
pub(crate) struct Fields<'a> {
    value: &'a Value,
    reading: &'a mut Reading,
}

impl<'a> Fields<'a> {
    /// Those of `value`, which should have some.
    pub(crate) fn of(value: &'a Value, reading: &'a mut Reading) -> Fields<'a> {
        reading.object(value);
        Fields { value, reading }
    }

    /// The field `key`, which has to be there.
    #[inline(never)]
    pub(crate) fn needed<T: FromJson>(&mut self, key: &'static str) -> T {
        let value = self.find(key);
        if value.is_none() {
            self.reading.note("is missing");
        }
        T::from_json(value.unwrap_or(&Value::Null), self.reading)
    }

    /// The field `key`, if it is there.
    #[inline(never)]
    pub(crate) fn optional<T: FromJson + Default>(&mut self, key: &'static str) -> T {
        match self.find(key) {
            Some(value) => T::from_json(value, self.reading),
            None => T::default(),
        }
    }

    /// What is spread among the others.
    pub(crate) fn same<T: FromJson>(&mut self) -> T {
        T::from_json(self.value, self.reading)
    }

    #[inline(never)]
    fn find(&mut self, key: &'static str) -> Option<&'a Value> {
        self.reading.key = key;
        self.value.get(key)
    }
}

impl FromJson for f64 {
    fn from_json(value: &Value, reading: &mut Reading) -> f64 {
        reading.expect(value.as_f64(), "a number")
    }
}

impl FromJson for u64 {
    fn from_json(value: &Value, reading: &mut Reading) -> u64 {
        reading.expect(value.as_u64(), "a whole number")
    }
}

impl FromJson for usize {
    fn from_json(value: &Value, reading: &mut Reading) -> usize {
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        reading.expect(number, "a whole number")
    }
}

impl FromJson for u32 {
    fn from_json(value: &Value, reading: &mut Reading) -> u32 {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        reading.expect(number, "a whole number")
    }
}

impl FromJson for bool {
    fn from_json(value: &Value, reading: &mut Reading) -> bool {
        reading.expect(value.as_bool(), "true or false")
    }
}

impl FromJson for String {
    fn from_json(value: &Value, reading: &mut Reading) -> String {
        reading.expect(value.as_str(), "text").into()
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: &Value, reading: &mut Reading) -> Option<T> {
        (!value.is_null()).then(|| T::from_json(value, reading))
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: &Value, reading: &mut Reading) -> Vec<T> {
        let key = reading.key;
        let values = reading.expect(value.as_array().map(Vec::as_slice), "an array");
        let each = values.iter().map(|value| {
            // What was read before may have had fields of its own.
            reading.key = key;
            T::from_json(value, reading)
        });
        each.collect()
    }
}

impl<T: FromJson> FromJson for BTreeMap<String, T> {
    fn from_json(value: &Value, reading: &mut Reading) -> BTreeMap<String, T> {
        let (mut read, whole) = (BTreeMap::new(), reading.key);
        for (key, value) in reading.object(value).into_iter().flatten() {
            reading.key = whole;
            read.insert(key.clone(), T::from_json(value, reading));
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Thing {
        count: usize,
        parts: BTreeMap<String, Vec<f64>>,
        name: Option<String>,
        is_old: bool,
    }

    impl FromJson for Thing {
        fn from_json(value: &Value, reading: &mut Reading) -> Thing {
            let mut of = Fields::of(value, reading);
            Thing {
                count: of.needed("count"),
                parts: of.needed("parts"),
                name: of.optional("name"),
                is_old: of.optional("is_old"),
            }
        }
    }

    #[test]
    fn what_need_not_be_there_may_be_missing() {
        let read = |value| read::<Thing>(&value).unwrap();
        let whole = json!({ "count": 2, "parts": { "a": [1, 2.5] }, "name": "x", "is_old": true });
        let parts = BTreeMap::from([("a".into(), vec![1.0, 2.5])]);
        assert_eq!(read(whole), Thing { count: 2, parts, name: Some("x".into()), is_old: true });
        let least = json!({ "count": 0, "parts": {}, "name": null, "more": 1 });
        assert_eq!(read(least), Thing::default());
    }

    #[test]
    fn the_first_mistake_is_told_with_its_field() {
        for (value, why) in [
            (json!([]), "the whole is not an object"),
            (json!({ "parts": 7 }), "count is missing"),
            (json!({ "count": 1.5 }), "count is not a whole number"),
            (json!({ "count": 1, "parts": 7 }), "parts is not an object"),
            (json!({ "count": 1, "parts": { "a": 7 } }), "parts is not an array"),
            (json!({ "count": 1, "parts": { "a": [null] } }), "parts is not a number"),
            (json!({ "count": 1, "parts": {}, "name": 7 }), "name is not text"),
            (json!({ "count": 1, "parts": {}, "is_old": null }), "is_old is not true or false"),
        ] {
            assert_eq!(read::<Thing>(&value).unwrap_err(), why, "{value}");
        }
    }

    #[test]
    fn what_is_wrong_behind_an_object_is_not_laid_to_its_last_field() {
        struct Things {
            all: Vec<Thing>,
            named: BTreeMap<String, Thing>,
        }
        impl FromJson for Things {
            fn from_json(value: &Value, reading: &mut Reading) -> Things {
                let mut of = Fields::of(value, reading);
                Things { all: of.needed("all"), named: of.needed("named") }
            }
        }
        let thing = || json!({ "count": 1, "parts": {} });
        let good = json!({ "all": [thing(), thing()], "named": { "a": thing() } });
        let read =
            |value: &Value| read::<Things>(value).map(|all| (all.all.len(), all.named.len()));
        assert_eq!(read(&good), Ok((2, 1)));
        let wrong = json!({ "all": [thing(), 7], "named": {} });
        assert_eq!(read(&wrong).unwrap_err(), "all is not an object");
        let wrong = json!({ "all": [], "named": { "a": thing(), "b": 7 } });
        assert_eq!(read(&wrong).unwrap_err(), "named is not an object");
    }
}
