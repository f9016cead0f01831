//! One member: a socket and its rooms.
//!
//! Two halves run side by side in the task that the server calls the application in. One listens: it reads requests,
//! carries them out and keeps the heartbeat. One speaks: it empties the outbox. Whichever comes to an end says how the
//! socket is closed.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gateway_spec::{
    AppError, CloseCode, Done, DrainSignal, Incoming, Message, SendError, Socket, SocketReceiver,
    SocketSender,
};
use tokio::select;
use tokio::time::{Instant, sleep_until, timeout};

use crate::heartbeat::{Beat, Heartbeat, Reader};
use crate::hub::{Hub, Newcomer, Seat};
use crate::key::Keys;
use crate::name::{RoomName, UserId};
use crate::outbox::{Lane, Outbox};
use crate::protocol::{
    BadFrame, Bye, ClientFrame, Command, FRAME_BYTES, Join, RequestId, ServerFrame,
};
use crate::rate::{Allowance, TokenBucket};
use crate::refusal::Refusal;
use crate::room::ConnectionId;

/// Rooms of one connection: more than anybody reads at once.
const ROOMS: usize = 20;

/// Messages: faster than anybody types for long, with room for what was written while the link was down.
const MESSAGES: Allowance = Allowance::new(10, Duration::from_millis(200));

/// Joins: all rooms at once after a reconnect, then slowly, because each of them is news for everybody there.
const JOINS: Allowance = Allowance::new(20, Duration::from_secs(1));

/// Typing notices: a page sends one in 3 s in each room that is typed in.
const TYPING: Allowance = Allowance::new(5, Duration::from_secs(1));

/// Pages of history, and a moderator's orders: as many as a hand asks for.
const PAGES: Allowance = Allowance::new(20, Duration::from_secs(1));
const ORDERS: Allowance = Allowance::new(20, Duration::from_secs(1));

/// Pings, frames without meaning, and those about a room in which the sender is not, or is already: each costs an answer.
const TRIFLES: Allowance = Allowance::new(20, Duration::from_millis(200));

/// Refusals with 429 in a row before the connection is closed: more than were under way when the first one came.
const STRIKES: u32 = 20;

/// How long a client that floods is sent away.
const FLOOD_PAUSE: Duration = Duration::from_secs(10);

/// The clients of a server that restarts come back within this time, each at a moment of its own.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

/// Time for the client to take what was accepted before the bye, and the bye.
const FAREWELL_WITHIN: Duration = Duration::from_secs(10);

/// A socket that is served.
pub(crate) struct Session {
    sender: SocketSender,
    outbox: Arc<Outbox>,
    member: Member,
}

impl Session {
    pub(crate) fn new(
        hub: &Arc<Hub>,
        keys: &Arc<Keys>,
        socket: Socket,
        drain: DrainSignal,
    ) -> Self {
        let outbox = Arc::new(Outbox::default());
        let (sender, receiver) = socket.split();
        Self {
            member: Member {
                connection: hub.connection(),
                hub: Arc::clone(hub),
                keys: Arc::clone(keys),
                receiver,
                drain,
                user: None,
                rooms: Vec::new(),
                outbox: Arc::clone(&outbox),
                heartbeat: Heartbeat::new(Instant::now(), fastrand::f64()),
                messages: TokenBucket::default(),
                joins: TokenBucket::default(),
                typing: TokenBucket::default(),
                pages: TokenBucket::default(),
                orders: TokenBucket::default(),
                trifles: TokenBucket::default(),
                strikes: 0,
            },
            sender,
            outbox,
        }
    }

    /// Serves it to its end.
    ///
    /// No `async fn`: there the parts would be in the future twice, as the argument and as what is made of it. This
    /// future is most of what an idle connection weighs.
    pub(crate) fn serve(self) -> impl Future<Output = Result<Done, AppError>> + Send {
        let Self {
            mut sender,
            outbox,
            mut member,
        } = self;
        async move {
            let hub = Arc::clone(&member.hub);
            let _open = hub.metrics.connection();
            let end = select! {
                end = member.listen() => end,
                end = speak(&mut sender, &outbox) => end,
            };
            // The rooms hear of it now, not when a slow socket has closed.
            drop(member);
            match end {
                End::Closed => sender.close(CloseCode::NORMAL, "").await,
                End::Failed(error) => Err(error.into()),
                End::Bye(bye) => {
                    hub.metrics.bye(bye.code());
                    Box::pin(farewell(sender, &outbox, bye)).await
                }
            }
        }
    }
}

/// How a session ends.
enum End {
    /// The client has closed the socket, or lost it.
    Closed,
    /// There is nobody left to send to.
    Failed(SendError),
    /// The server says goodbye.
    Bye(Bye),
}

/// Sends what comes into the outbox, as fast as the client reads.
async fn speak(sender: &mut SocketSender, outbox: &Outbox) -> End {
    loop {
        if let Err(bye) = outbox.filled().await {
            return End::Bye(bye);
        }
        let sent = select! {
            sent = send_next(sender, outbox) => sent,
            bye = outbox.ended() => return End::Bye(bye),
        };
        if let Err(error) = sent {
            return End::Failed(error);
        }
    }
}

/// Sends one frame, if there is one.
///
/// # Cancel safety
///
/// Nothing is lost: a frame is taken only when the socket has room for it. So what waits is counted in the outbox.
async fn send_next(sender: &mut SocketSender, outbox: &Outbox) -> Result<(), SendError> {
    sender.ready().await?;
    match outbox.take() {
        Some(frame) => sender.send_now(frame),
        None => Ok(()),
    }
}

/// Sends what was accepted so far, says goodbye, and closes the socket with the same code.
async fn farewell(mut sender: SocketSender, outbox: &Outbox, bye: Bye) -> Result<Done, AppError> {
    let frame = ServerFrame::Bye(bye).encode();
    let said = timeout(FAREWELL_WITHIN, async {
        // No room knows this outbox any more, so it does come to an end.
        while !outbox.is_empty() {
            send_next(&mut sender, outbox).await?;
        }
        sender.send(frame).await?;
        sender.ready().await?;
        Ok::<_, SendError>(())
    });
    match said.await {
        Ok(Ok(())) => {
            let code = CloseCode::try_from(bye.code())?;
            sender.close(code, bye.reason()).await
        }
        Ok(Err(error)) => Err(error.into()),
        // A reader that takes nothing for so long would not take a close frame either.
        Err(_) => Ok(sender.abort()),
    }
}

/// The listening half: what a connection is in, and how much of its allowance it has used.
struct Member {
    hub: Arc<Hub>,
    keys: Arc<Keys>,
    connection: ConnectionId,
    receiver: SocketReceiver,
    drain: DrainSignal,
    user: Option<UserId>,
    /// Few, so they are looked through.
    rooms: Vec<Seat>,
    outbox: Arc<Outbox>,
    heartbeat: Heartbeat,
    messages: TokenBucket,
    joins: TokenBucket,
    typing: TokenBucket,
    pages: TokenBucket,
    orders: TokenBucket,
    trifles: TokenBucket,
    strikes: u32,
}

impl Member {
    /// Reads and carries out what the client asks for. The drain is looked at between two requests, never within one.
    async fn listen(&mut self) -> End {
        let mut timer = pin!(sleep_until(self.heartbeat.due()));
        loop {
            let incoming = select! {
                biased;
                _ = &mut self.drain => {
                    // All leave at once: nobody is left for whom that were news.
                    self.rooms.iter().for_each(Seat::vanish);
                    let after = COME_BACK_WITHIN.mul_f64(fastrand::f64());
                    return End::Bye(Bye::Drain { after });
                }
                () = &mut timer => {
                    if let Some(bye) = self.beat() {
                        return End::Bye(bye);
                    }
                    timer.as_mut().reset(self.heartbeat.due());
                    continue;
                }
                incoming = next(&self.outbox, &mut self.receiver) => incoming,
            };
            let bye = match incoming {
                Incoming::Message(Message::Text(text)) => self.hear(&text).await,
                Incoming::Message(Message::Binary(_)) => Some(Bye::Protocol),
                Incoming::Ping(_) | Incoming::Pong(_) => None,
                Incoming::Closed(_) => return End::Closed,
            };
            if let Some(bye) = bye {
                return End::Bye(bye);
            }
        }
    }

    fn beat(&mut self) -> Option<Bye> {
        let reader = if self.outbox.is_low() {
            Reader::Prompt
        } else {
            Reader::Behind
        };
        match self.heartbeat.beat(Instant::now(), reader) {
            Beat::Wait => None,
            Beat::Ping => {
                self.say(&ServerFrame::Ping);
                None
            }
            Beat::Dead => Some(Bye::Silent),
        }
    }

    async fn hear(&mut self, text: &str) -> Option<Bye> {
        if text.len() > FRAME_BYTES {
            return Some(Bye::TooBig);
        }
        self.heartbeat.heard(Instant::now(), fastrand::f64());
        match ClientFrame::parse(text) {
            // Boxed, because most connections are idle most of the time, and have no room for a request then.
            Ok(ClientFrame::Request(id, command)) => {
                match Box::pin(self.carry_out(id, command)).await {
                    Ok(()) => {
                        self.strikes = 0;
                        None
                    }
                    Err(refusal) if was_free(refusal) => self.refuse_a_trifle(Some(id), refusal),
                    Err(refusal) => self.refuse(Some(id), refusal),
                }
            }
            Ok(ClientFrame::Typing(room)) => {
                self.type_in(&room);
                None
            }
            Ok(ClientFrame::Pong) => None,
            Err(BadFrame::Refused(id, refusal)) => self.refuse_a_trifle(id, refusal),
            Err(BadFrame::NotAnObject) => Some(Bye::Protocol),
        }
    }

    async fn carry_out(&mut self, id: RequestId, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Join(join) => self.join(id, join).await,
            Command::Send(room, draft) => {
                let seat = seat(&self.rooms, &room)?;
                take(&mut self.messages, MESSAGES)?;
                let receipt = seat.send(draft).await?;
                self.say(&ServerFrame::Sent(id, receipt));
                Ok(())
            }
            Command::History(room, before, limit) => {
                let seat = seat(&self.rooms, &room)?;
                take(&mut self.pages, PAGES)?;
                let page = seat.history(before, limit).await?;
                self.say(&ServerFrame::Paged(id, &page));
                Ok(())
            }
            Command::Leave(room) => {
                seat(&self.rooms, &room)?;
                self.rooms.retain(|seat| *seat.name() != room);
                self.done(id)
            }
            Command::Ping => {
                take(&mut self.trifles, TRIFLES)?;
                self.done(id)
            }
            Command::Moderate(room, order) => {
                let seat = seat(&self.rooms, &room)?;
                take(&mut self.orders, ORDERS)?;
                seat.order(order).await?;
                self.done(id)
            }
            Command::Listing(room) => {
                let seat = seat(&self.rooms, &room)?;
                take(&mut self.orders, ORDERS)?;
                let listing = seat.listing()?;
                self.say(&ServerFrame::Listed(id, &listing));
                Ok(())
            }
        }
    }

    async fn join(&mut self, id: RequestId, join: Join) -> Result<(), Refusal> {
        // A moderator may have expelled us from some.
        self.rooms.retain(Seat::is_taken);
        if self.rooms.iter().any(|seat| *seat.name() == join.room) {
            return Err(Refusal::AlreadyHere);
        }
        if self.rooms.len() >= ROOMS {
            return Err(Refusal::TooManyRooms);
        }
        let user = match (self.user, join.key.as_ref().map(UserId::of)) {
            (Some(known), Some(claimed)) if known != claimed => return Err(Refusal::OtherKey),
            (Some(user), _) | (None, Some(user)) => user,
            (None, None) => UserId::passing(fastrand::u64(..)),
        };
        take(&mut self.joins, JOINS)?;
        let newcomer = Newcomer {
            user,
            wish: join.nick,
            rank: self.keys.rank(join.token.as_ref())?,
        };
        self.user = Some(user);
        let seat = self.hub.visit(&join.room, self.connection, user).await?;
        seat.join(id, newcomer, join.since.as_ref(), &self.outbox)
            .await?;
        // Most connections are in one.
        self.rooms.reserve_exact(1);
        self.rooms.push(seat);
        Ok(())
    }

    fn done(&self, id: RequestId) -> Result<(), Refusal> {
        self.say(&ServerFrame::Done(id));
        Ok(())
    }

    /// Volatile: what cannot be told now is not worth telling later.
    fn type_in(&mut self, room: &RoomName) {
        if let Some(seat) = self.rooms.iter().find(|seat| seat.name() == room)
            && take(&mut self.typing, TYPING).is_ok()
        {
            seat.typing();
        }
    }

    fn refuse_a_trifle(&mut self, id: Option<RequestId>, refusal: Refusal) -> Option<Bye> {
        let refusal = take(&mut self.trifles, TRIFLES).err().unwrap_or(refusal);
        self.refuse(id, refusal)
    }

    fn refuse(&mut self, id: Option<RequestId>, refusal: Refusal) -> Option<Bye> {
        self.hub.metrics.refused(refusal.why());
        self.say(&ServerFrame::Refused(id, refusal));
        if let Refusal::TooFast { .. } = refusal {
            self.strikes += 1;
        }
        (self.strikes >= STRIKES).then_some(Bye::Flooding { after: FLOOD_PAUSE })
    }

    fn say(&self, frame: &ServerFrame<'_>) {
        self.outbox.push(Lane::Reliable, frame.encode().into());
    }
}

/// Whether this was said before anything of an allowance was taken.
const fn was_free(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NotHere | Refusal::AlreadyHere | Refusal::OtherKey | Refusal::TooManyRooms
    )
}

/// The place of a connection that is in this room.
fn seat<'a>(rooms: &'a [Seat], room: &RoomName) -> Result<&'a Seat, Refusal> {
    let mut theirs = rooms.iter().filter(|seat| seat.name() == room);
    let seat = theirs.find(|seat| seat.is_taken());
    seat.ok_or(Refusal::NotHere)
}

/// The next thing the client sends, once it has read enough of what it was sent.
///
/// # Cancel safety
///
/// Nothing is lost.
async fn next(outbox: &Outbox, receiver: &mut SocketReceiver) -> Incoming {
    outbox.low().await;
    receiver.receive().await
}

fn take(bucket: &mut TokenBucket, allowance: Allowance) -> Result<(), Refusal> {
    let now = Instant::now().into_std();
    bucket
        .take(allowance, now)
        .map_err(|retry_after| Refusal::TooFast { retry_after })
}
