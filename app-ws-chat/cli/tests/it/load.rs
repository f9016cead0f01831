//! The load with the chat itself: nothing is lost, and what is lost would be seen.

use chat_load::Plan;

use crate::served::Served;

fn plan(served: &Served) -> Plan {
    let mut plan = Plan::of(&served.address);
    plan.clients = 30.try_into().unwrap();
    plan.room_size = 10.try_into().unwrap();
    plan.rate = 10.0;
    plan.seconds = 2.0;
    plan.rest = 0.0;
    plan.pid = Some(served.pid());
    plan
}

#[test]
fn through_storms_everybody_is_told_everything_once_and_in_order() {
    for server in ["raw", "hyper"] {
        let served = Served::on(server);
        let mut plan = plan(&served);
        plan.storm_every = Some(0.5);
        plan.storm_share = 100;
        plan.back_off = 0.2;
        let report = plan.check().unwrap().run().unwrap();
        assert!(report.is_clean(), "{server}: {report}");
        assert_eq!((report.clients, report.here, report.rooms), (30, 30, 3));
        assert_eq!((report.said, report.kept), (60, 60), "{report}");
        // Each message is told to the ten of its room, now or on their return.
        assert_eq!(report.live + report.replayed, 600, "{report}");
        assert!(
            report.broken["lost"] > 0 && report.recovered["complete"] > 0,
            "{report}"
        );
        assert!(report.server_kib.unwrap().connected > 0);
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["kept"], 60);
        let table = report.to_string();
        assert!(table.contains("0 missing, 0 twice, 0 different"), "{table}");
    }
}

#[test]
fn where_nobody_listens_the_report_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut plan = Plan::of(&format!("ws://{address}"));
    plan.clients = 2.try_into().unwrap();
    plan.seconds = 0.0;
    plan.rest = 0.0;
    plan.patience = 0.2;
    let report = plan.check().unwrap().run().unwrap();
    assert!(!report.is_clean());
    assert_eq!((report.here, report.gathering_seconds), (0, None));
    assert!(report.broken["lost"] >= 2, "{report}");
}
