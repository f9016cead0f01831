//! SYNC-1: the mark of a worker's thread on another.

use gateway_spec::WorkerThread;

fn main() {
    let mark = WorkerThread::enter();
    std::thread::spawn(move || drop(mark));
}
