//! The workloads by name, and what each of them is made of.

use clap::ValueEnum;

use crate::endpoint::Transport;

/// What is measured. The names are netperf's, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Requests and responses on kept connections
    #[value(name = "tcp_rr", alias = "tcp-rr")]
    TcpRr,
    /// Connect, one request, its response, close
    #[value(name = "tcp_crr", alias = "tcp-crr")]
    TcpCrr,
    /// Connect, close
    #[value(name = "tcp_cc", alias = "tcp-cc")]
    TcpCc,
    /// Connect, read the greeting to its end, close
    Greet,
    /// Bulk echo: bytes a second
    #[value(name = "tcp_stream", alias = "tcp-stream")]
    TcpStream,
    /// Datagrams there and back: latency, loss, duplicates, order
    #[value(name = "udp_rr", alias = "udp-rr")]
    UdpRr,
    /// Numbers of months and their names, over UDP
    Months,
    /// One room: deliveries a second, first and last receiver
    Chat,
    /// Many connections that do nothing: how many, what they cost
    Idle,
}

/// What `cooee bench` alone measures, each for a few seconds.
pub(crate) const STANDARD_SET: [Workload; 9] = [
    Workload::TcpRr,
    Workload::TcpStream,
    Workload::TcpCrr,
    Workload::TcpCc,
    Workload::Greet,
    Workload::UdpRr,
    Workload::Months,
    Workload::Chat,
    Workload::Idle,
];

impl Workload {
    /// Its name on the command line and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::TcpRr => "tcp_rr",
            Workload::TcpCrr => "tcp_crr",
            Workload::TcpCc => "tcp_cc",
            Workload::Greet => "greet",
            Workload::TcpStream => "tcp_stream",
            Workload::UdpRr => "udp_rr",
            Workload::Months => "months",
            Workload::Chat => "chat",
            Workload::Idle => "idle",
        }
    }

    /// The service that it measures, unless an endpoint says otherwise.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Workload::Greet => "greet",
            Workload::Months => "months",
            Workload::Chat => "chat",
            _ => "echo",
        }
    }

    /// Whether any service over TCP will do: none of its words are read.
    pub(crate) fn takes_any_service(self) -> bool {
        matches!(self, Workload::TcpCc | Workload::Idle)
    }

    /// What carries it.
    pub(crate) fn transport(self) -> Transport {
        if self.is_datagram() { Transport::Udp } else { Transport::Tcp }
    }

    /// Whether it is carried by datagrams.
    pub(crate) fn is_datagram(self) -> bool {
        matches!(self, Workload::UdpRr | Workload::Months)
    }

    /// Whether each operation makes a connection of its own.
    pub(crate) fn connects_each_time(self) -> bool {
        matches!(self, Workload::TcpCrr | Workload::TcpCc | Workload::Greet)
    }

    /// What its operations are called, in tables.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Workload::TcpRr | Workload::UdpRr | Workload::Months => "requests",
            Workload::TcpCrr => "exchanges",
            Workload::TcpCc | Workload::Idle => "connections",
            Workload::Greet => "greetings",
            Workload::TcpStream => "blocks",
            Workload::Chat => "deliveries",
        }
    }

    /// What of an operation is measured apart.
    pub(crate) fn phases(self) -> &'static [&'static str] {
        match self {
            Workload::TcpCrr | Workload::Greet => &["connect", "first_byte", "whole"],
            Workload::TcpCc => &["connect", "whole"],
            Workload::Chat => &["first_receiver", "last_receiver"],
            _ => &[],
        }
    }

    /// Connections, bytes of a request, requests in flight on each, unless flags say otherwise.
    pub(crate) fn defaults(self) -> (usize, usize, usize) {
        match self {
            Workload::TcpRr | Workload::UdpRr => (8, 64, 1),
            Workload::TcpCrr => (8, 64, 1),
            Workload::TcpCc | Workload::Greet => (8, 0, 1),
            Workload::TcpStream => (2, 64 * 1024, 4),
            Workload::Months => (8, 2, 1),
            Workload::Chat => (50, 64, 4),
            Workload::Idle => (1000, 0, 1),
        }
    }
}
