//! The clients: in a pipe, on a terminal, among the jobs of a shell, and how they find a server.

mod chat;
mod hex;
mod jobs;
mod pipes;
mod reaching;
mod terminal;
mod waiting;
