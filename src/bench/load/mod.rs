//! What makes the load: which workloads there are, the plan of a run, the services that ask, and
//! whom they ask.

pub(crate) mod budget;
pub(crate) mod core;
mod crowd;
mod exchange;
mod payload;
pub(crate) mod plan;
pub(crate) mod rate;
mod room;
pub(crate) mod run_id;
mod schedule;
mod script;
pub(crate) mod target;
mod visit;
mod window;
pub(crate) mod workload;

use crowd::Crowd;
use exchange::Exchange;
use room::ChatRoom;
use visit::Visits;
use workload::Workload;

use self::core::Core;
use crate::engine::Service;

pub(crate) use room::LINE_BYTES_MIN;

/// The service that makes the load which is planned. It begins when an engine takes it in.
pub(crate) fn service(core: Core) -> Box<dyn Service> {
    match core.plan.workload {
        Workload::TcpRr | Workload::TcpStream | Workload::UdpRr | Workload::Months => {
            Box::new(Exchange::new(core))
        }
        Workload::TcpCrr | Workload::TcpCc | Workload::Greet => Box::new(Visits::new(core)),
        Workload::Chat => Box::new(ChatRoom::new(core)),
        Workload::Idle => Box::new(Crowd::new(core)),
    }
}
