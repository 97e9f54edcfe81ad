//! What makes the load: which workloads there are, the plan of a run, the services that ask, and
//! whom they ask.

pub(crate) mod budget;
mod crowd;
mod exchange;
mod payload;
pub(crate) mod placement;
pub(crate) mod plan;
pub(crate) mod rate;
mod room;
pub(crate) mod run_id;
pub(crate) mod run_state;
mod schedule;
mod script;
pub(crate) mod sources;
mod stages;
pub(crate) mod supervision;
pub(crate) mod target;
mod visit;
mod window;
pub(crate) mod workload;

use crowd::Crowd;
use exchange::Exchange;
use room::ChatRoom;
use visit::Visits;
use workload::Workload;

use crate::engine::Service;
use run_state::RunState;

pub(crate) use room::LINE_BYTES_MIN;

/// The service that makes the load which is planned. It begins when an engine takes it in.
pub(crate) fn service(run: RunState) -> Box<dyn Service> {
    match run.plan.workload {
        Workload::TcpRr | Workload::TcpStream | Workload::UdpRr | Workload::Months => {
            Box::new(Exchange::new(run))
        }
        Workload::TcpCrr | Workload::TcpCc | Workload::Greet => Box::new(Visits::new(run)),
        Workload::Chat => Box::new(ChatRoom::new(run)),
        Workload::Idle => Box::new(Crowd::new(run)),
    }
}
