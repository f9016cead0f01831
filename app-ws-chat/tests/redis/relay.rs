//! A network between two programs, which can be made a bad one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is carried in one piece.
const PIECE: usize = 16 * 1024;

/// Where a relay leads to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What the network does to what goes through it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Weather {
    /// It carries everything, this much later.
    Fair(Duration),
    /// It takes what goes this way, and loses it without a word. A connection that has lost something is never heard of
    /// again, also when the weather is fair: who has lost its place in a network's tables stays lost.
    Silent(Way),
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// From who has connected.
    There,
    Back,
    Both,
}

/// A relay that listens on a port of its own. Dropped, it cuts what it carries.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    sky: Arc<Mutex<Sky>>,
}

struct Sky {
    weather: Weather,
    target: Target,
    carried: Vec<Arc<Carried>>,
    over: bool,
}

/// A connection and its other half.
struct Carried {
    near: TcpStream,
    far: Far,
    dead: Mutex<bool>,
}

enum Far {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Relay {
    pub(crate) fn start(target: Target) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sky = Arc::new(Mutex::new(Sky {
            weather: Weather::Fair(Duration::ZERO),
            target,
            carried: Vec::new(),
            over: false,
        }));
        let above = Arc::clone(&sky);
        thread::spawn(move || {
            for near in listener.incoming() {
                if above.lock().unwrap().over {
                    return;
                }
                // Who cannot be led on is hung up on.
                let _ = near.and_then(|near| begin(near, &above));
            }
        });
        Self { address, sky }
    }

    pub(crate) fn weather(&self, weather: Weather) {
        self.sky.lock().unwrap().weather = weather;
    }

    /// Leads elsewhere from now on.
    pub(crate) fn lead_to(&self, target: Target) {
        self.sky.lock().unwrap().target = target;
    }

    /// Ends all connections, in good order.
    pub(crate) fn cut(&self) {
        let carried = std::mem::take(&mut self.sky.lock().unwrap().carried);
        carried.iter().for_each(|one| one.end());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.sky.lock().unwrap().over = true;
        self.cut();
        // So that who listens sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn begin(near: TcpStream, sky: &Arc<Mutex<Sky>>) -> io::Result<()> {
    near.set_nodelay(true)?;
    let far = match &sky.lock().unwrap().target {
        Target::Tcp(address) => {
            let far = TcpStream::connect(address)?;
            far.set_nodelay(true)?;
            Far::Tcp(far)
        }
        Target::Unix(path) => Far::Unix(UnixStream::connect(path)?),
    };
    let dead = Mutex::new(false);
    let carried = Arc::new(Carried { near, far, dead });
    sky.lock().unwrap().carried.push(Arc::clone(&carried));
    for way in [Way::There, Way::Back] {
        let (carried, sky) = (Arc::clone(&carried), Arc::clone(sky));
        thread::spawn(move || carried.carry(way, &sky));
    }
    Ok(())
}

impl Carried {
    fn carry(&self, way: Way, sky: &Mutex<Sky>) {
        let mut piece = vec![0; PIECE];
        loop {
            let read = match way {
                Way::There => (&self.near).read(&mut piece),
                _ => self.far.read(&mut piece),
            };
            let weather = sky.lock().unwrap().weather;
            let lost = matches!(weather, Weather::Silent(lost) if lost == way || lost == Way::Both);
            let dead = {
                let mut dead = self.dead.lock().unwrap();
                *dead |= lost;
                *dead
            };
            let piece = match read {
                Ok(read) if read > 0 => &piece[..read],
                // Nobody hears of the end of a connection that is dead.
                _ if dead => return,
                _ => return self.end(),
            };
            if let Weather::Fair(late) = weather {
                thread::sleep(late);
            }
            let carried = match way {
                _ if dead => Ok(()),
                Way::There => self.far.write_all(piece),
                _ => (&self.near).write_all(piece),
            };
            if carried.is_err() {
                return self.end();
            }
        }
    }

    fn end(&self) {
        let _ = self.near.shutdown(Shutdown::Both);
        let _ = match &self.far {
            Far::Tcp(far) => far.shutdown(Shutdown::Both),
            Far::Unix(far) => far.shutdown(Shutdown::Both),
        };
    }
}

impl Far {
    fn read(&self, piece: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(far) => { far }.read(piece),
            Self::Unix(far) => { far }.read(piece),
        }
    }

    fn write_all(&self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(far) => { far }.write_all(piece),
            Self::Unix(far) => { far }.write_all(piece),
        }
    }
}
