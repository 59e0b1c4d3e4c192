//! The function without a ledger: the calls of a whole life stay the same.

use std::collections::BTreeMap;

use serde_json::json;

use crate::scenario::{Scenario, properties};

/// The calls of a life of a Create, an Update and a Delete. DescribeTasks is left out: its number
/// depends on how long the tasks take.
const CALLS: [(&str, usize); 6] = [
    ("DescribeStacks", 1),
    ("DescribeTaskDefinition", 2),
    ("ListClusters", 1),
    ("ListTasks", 4),
    ("PUT", 3),
    ("RunTask", 2),
];

#[tokio::test]
async fn without_a_ledger_a_whole_life_makes_the_same_calls_as_ever() {
    let scenario = Scenario::new().await;
    let definition = scenario.script("true");
    let [old, new] =
        ["1", "2"].map(|trigger| properties(&definition, json!({"Triggers": trigger})));
    assert!(scenario.create(&old).await.succeeded);
    assert!(scenario.update(&old, &new).await.succeeded);
    assert!(scenario.delete(&new).await.succeeded);
    let mut calls = scenario.stage.calls();
    assert!(calls.remove("DescribeTasks").is_some());
    let expected: BTreeMap<String, usize> = CALLS
        .into_iter()
        .map(|(operation, count)| (operation.to_owned(), count))
        .collect();
    assert_eq!(calls, expected);
}
