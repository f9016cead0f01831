//! Nodes of the chat on a cluster of Redis.

use std::time::Duration;

use app_ws_chat::message::Offset;
use app_ws_chat::refusal::Refusal;
use tokio::time::timeout;

use crate::bus::{PATIENCE, node, said};
use crate::cluster::{Cluster, Replicas};
use crate::nodes::{Epochs, check};

#[test]
#[ignore = "needs redis-server: run ./test"]
fn a_primary_that_is_killed_takes_nothing_that_was_acknowledged_with_it() {
    let mut cluster = Cluster::start(Replicas::Each);
    let primary = cluster.primary_of("lobby");
    let address = cluster.address();
    check(&address, Epochs::Several, |_| {
        cluster.kill(primary);
        cluster.wait_for_primary(Cluster::replica_of(primary));
        // Without a replica of its own the new one acknowledges nothing.
        cluster.restart(primary);
    });
}

#[test]
#[ignore = "needs redis-server: run ./test"]
fn a_slot_that_moves_takes_its_room_along() {
    let cluster = Cluster::start(Replicas::None);
    let address = format!("{}?replicas=0", cluster.address());
    check(&address, Epochs::Several, |_| cluster.move_slot_of("lobby"));
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn rooms_of_all_primaries_and_the_house_are_heard_on_all_nodes() {
    let cluster = Cluster::start(Replicas::None);
    let address = format!("{}?replicas=0", cluster.address());
    let rooms = ["lobby", "a}{b", "c", "d", "e", "f"];
    for room in rooms {
        let ((one, _), (two, _)) = (node(&address, room).await, node(&address, room).await);
        assert_eq!(one.say(1, "a").await, Ok(1), "{room}");
        assert_eq!(two.say(2, "b").await, Ok(2), "{room}");
        assert_eq!(two.say(1, "a").await, Ok(1), "said again, to another node");
        for node in [&one, &two] {
            assert_eq!(
                node.ear.heard(2).await,
                [said(1, "a"), said(2, "b")],
                "{room}"
            );
        }
        let house = two.listen_to_the_house().await;
        one.ban_everywhere(7).await;
        assert_eq!(house.heard(1).await, ["Ban"]);
    }
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn what_a_replica_did_not_have_is_not_acknowledged() {
    let cluster = Cluster::start(Replicas::Each);
    let (one, _) = node(&cluster.address(), "lobby").await;
    assert_eq!(one.say(1, "a").await, Ok(1));
    cluster.cut_off_the_replica_of(cluster.primary_of("lobby"));
    assert_eq!(one.say(1, "b").await, Err(Refusal::Store));
    assert_eq!(one.say(1, "b").await, Err(Refusal::Store), "nor said again");
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn offsets_that_a_failover_has_lost_belong_to_another_epoch() {
    let mut cluster = Cluster::start(Replicas::Each);
    let primary = cluster.primary_of("lobby");
    // The first message is certainly with the replica, the second certainly is not.
    let (safe, _) = node(&cluster.address(), "lobby").await;
    assert_eq!(safe.say(1, "a").await, Ok(1));
    let address = format!("{}?replicas=0", cluster.address());
    let (one, before) = node(&address, "lobby").await;
    assert_eq!(before.ring.end(), Offset(1));
    cluster.cut_off_the_replica_of(primary);
    assert_eq!(one.say(1, "b").await, Ok(2));
    assert_eq!(one.ear.heard(1).await, [said(2, "b")]);
    cluster.kill(primary);
    cluster.wait_for_primary(Cluster::replica_of(primary));
    assert_eq!(one.ear.heard(1).await, ["Lost"]);

    let again = async {
        loop {
            let (two, after) = node(&address, "lobby").await;
            match two.say(2, "c").await {
                Ok(offset) => break (offset, after),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let (offset, after) = timeout(PATIENCE, again).await.unwrap();
    assert_eq!(offset, 2, "the offset is used again");
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.ring.end(), Offset(1), "what the replica had is there");
}
