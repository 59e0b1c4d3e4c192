//! The promises about a request that the ledger remembers.

use serde_json::Value;

use crate::{
    ecs::{Fate, Seconds, Sidecar},
    ledger::{EVENT, LedgerTrouble, WATCH, is_of_table},
    world::{Answer, Asked, Call, EPOCH, Ending, State, World},
};

/// Time after the watch's last round from which nothing is parked.
const HEARTBEAT: Seconds = 150.0;
/// Most time that a crashed invocation costs beside its own: the grace, and the watch's next round.
const TAKES_OVER: Seconds = 240.0;

/// The rows of a life, and the troubles that disturbed them.
pub(super) struct Remembered<'w> {
    world: &'w World,
    state: &'w State,
    rows: Vec<Value>,
    trouble: LedgerTrouble,
    /// A call to the table had no good answer.
    table_failed: bool,
}

impl<'w> Remembered<'w> {
    pub(super) fn of(world: &'w World, state: &'w State) -> Self {
        let rows = world
            .ledger
            .as_ref()
            .map(|ledger| ledger.rows().collect())
            .unwrap_or_default();
        let table_failed = state
            .calls
            .iter()
            .any(|call| is_of_table(&call.operation) && !call.ok);
        Self {
            world,
            state,
            rows,
            trouble: world.trouble(),
            table_failed,
        }
    }

    /// True if the table may have lost a write, in a life that has a table.
    pub(super) fn table_failed(&self) -> bool {
        self.table_failed && self.world.ledger.is_some()
    }

    /// True if the ledger has known all of a request.
    pub(super) fn keeps(&self, asked: &Asked) -> bool {
        self.row(asked).is_some() && !self.table_failed
    }

    fn row(&self, asked: &Asked) -> Option<&Value> {
        self.rows
            .iter()
            .find(|row| row["request"] == asked.id.as_str())
    }

    /// True if the table does not come back.
    fn table_is_gone(&self) -> bool {
        self.trouble.table.is_some_and(|(.., long)| long > 1e5)
    }

    /// True if the watch's rule was disabled while this request may have been parked.
    fn watch_left(&self, asked: &Asked) -> bool {
        self.trouble
            .watch_dies
            .is_some_and(|dies| asked.sent < dies + HEARTBEAT)
    }

    /// True if nobody can answer a request any more: it crashed without a ledger to remember it, or
    /// the ledger has no watch.
    pub(super) fn is_lost(&self, asked: &Asked) -> bool {
        let died = asked.hop_lost || self.state.doomed.contains(&asked.id);
        let watched = self.trouble.watch_dies.is_none() && !self.table_is_gone();
        match self.row(asked) {
            // A later request has superseded it, after CloudFormation stopped waiting for this one.
            Some(row)
                if asked.abandoned.is_some()
                    && row["state"] == "ended"
                    && row["answer"].is_null() =>
            {
                true
            }
            Some(_) if watched => false,
            Some(_) => died || self.watch_left(asked) || self.table_is_gone(),
            None => died,
        }
    }

    /// True if something has cost the time that the watch reserves for the deadline.
    pub(super) fn is_shaken(&self) -> bool {
        let (ours, trouble) = (&self.world.life.trouble, &self.trouble);
        self.world.life.ledger.is_some()
            && (ours.crashes > 0.0
                || ours.lost_hops > 0.0
                || ours.rate > 0.0
                || trouble.watch_late > 0.0
                || trouble.watch_dies.is_some()
                || trouble.table.is_some()
                || trouble.spoiled.is_some())
    }

    pub(super) fn check(&self, asked: &Asked, object: &mut impl FnMut(String)) {
        let Some(row) = self.row(asked) else {
            if asked
                .first_delivered
                .is_some_and(|at| at < asked.sent + 7199.0)
                && !self.table_failed
                && self.has_ended_well(asked)
            {
                object("no row of it was written".to_owned());
            }
            return;
        };
        self.same_bytes(asked, row, object);
        self.does_not_hang(asked, row, object);
        self.costs_no_look(asked, row, object);
    }

    /// True if an invocation of the request has come to its end.
    fn has_ended_well(&self, asked: &Asked) -> bool {
        self.state
            .invocations
            .iter()
            .any(|one| one.delivery.request == asked.id && one.end == Ending::Ok)
    }

    /// Every answer is the one in the row.
    fn same_bytes(&self, asked: &Asked, row: &Value, object: &mut impl FnMut(String)) {
        if self.table_failed || asked.abandoned.is_some() {
            return;
        }
        for Answer { text, at, .. } in &asked.answers {
            if row["answer"] != text.as_str() {
                object(format!(
                    "the answer at {at:.1} s is not the one in its row: {text} and {}",
                    row["answer"]
                ));
            }
        }
    }

    /// An answer comes soon after the deadline, no matter which invocations crashed.
    fn does_not_hang(&self, asked: &Asked, row: &Value, object: &mut impl FnMut(String)) {
        let Some(Answer { at, .. }) = asked.answers.first() else {
            return;
        };
        if self.table_is_gone() || self.watch_left(asked) || self.world.life.trouble.bucket_refuses
        {
            return;
        }
        let seconds = |name: &str| row[name].as_f64().unwrap_or_default() / 1000.0 - EPOCH as f64;
        let died = self.state.invocations.iter().filter(|one| {
            let about = [asked.id.as_str(), WATCH, EVENT].contains(&one.delivery.request.as_str());
            about && one.end != Ending::Ok && (asked.sent..*at).contains(&one.began)
        });
        let lost = died.count() as f64 + f64::from(u8::from(asked.hop_lost));
        let each = f64::from(self.world.life.lambda_timeout) + TAKES_OVER;
        let table = self
            .trouble
            .table
            .map_or(0.0, |(.., long)| long + TAKES_OVER);
        let faults = if self.world.life.trouble.rate > 0.0 {
            2.0 * each
        } else {
            0.0
        };
        let late = asked.first_delivered.unwrap_or(asked.sent) - asked.sent;
        let by =
            seconds("deadline").max(asked.sent) + TAKES_OVER + lost * each + table + faults + late;
        if *at > by {
            object(format!(
                "hangs: its deadline was {:.1} s, and it was answered at {at:.1} s",
                seconds("deadline")
            ));
        }
    }

    /// True if nothing went wrong in this life except its tasks, and these report everything at
    /// once.
    fn is_calm(&self) -> bool {
        let (ours, trouble) = (&self.world.life.trouble, &self.trouble);
        let tasks = || self.state.tasks.iter();
        ours.rate == 0.0
            && ours.crashes == 0.0
            && ours.outage.is_none()
            && ours.denied.is_none()
            && ours.no_definitions.is_none()
            && ours.fresh_role == 0.0
            && ours.duplicates == 0.0
            && trouble.table.is_none()
            && trouble.spoiled.is_none()
            && trouble.dropped == 0.0
            && trouble.delayed.is_none()
            && trouble.dies_thrice == 0.0
            && self.state.invocations.iter().all(|one| one.end == Ending::Ok)
            && tasks().all(|task| task.script.late_facts == (0.0, 0.0) && task.script.missing == 0.0)
            // A task without an exit code is looked at until it is certain that none will come.
            && tasks().all(|task| {
                let has_code = task.script.sidecar != Some(Sidecar::WithoutCode);
                has_code && matches!(task.script.fate, Fate::Exits(..) | Fate::Hangs | Fate::IsStopped(..))
            })
    }

    /// A parked wait for one task, which ends well and in time, is looked at only by the watch.
    fn costs_no_look(&self, asked: &Asked, row: &Value, object: &mut impl FnMut(String)) {
        let Some(Answer { at, body, .. }) = asked.answers.first() else {
            return;
        };
        let deadline = row["deadline"].as_f64().unwrap_or_default() / 1000.0 - EPOCH as f64;
        let one = row["tasks"]
            .as_array()
            .is_some_and(|tasks| tasks.len() == 1);
        if !self.is_calm() || !one || body["Status"] != "SUCCESS" || *at > deadline - 160.0 {
            return;
        }
        let of_request =
            |one: &&crate::world::Invoked| one.delivery.request == asked.id && one.began < *at;
        // While it may start anew, invocation after invocation looks at it; the last one has parked
        // it, unless that one is still at work: without the watch the wait is polled.
        let mut invocations = self.state.invocations.iter();
        let Some(parked) = invocations
            .rfind(of_request)
            .filter(|last| last.ended < *at)
        else {
            return;
        };
        let look = |call: &&Call| {
            call.operation == "DescribeTasks"
                && call.delivery.request == asked.id
                && call.at > parked.ended
        };
        if let Some(look) = self.state.calls.iter().find(look) {
            object(format!(
                "it was looked at, at {:.1} s, after it was parked at {:.1} s",
                look.at, parked.ended
            ));
        }
    }

    /// An event tells everything that a wait for one task needs.
    pub(super) fn events_cost_no_look(&self, objections: &mut Vec<String>) {
        let one = self
            .rows
            .iter()
            .all(|row| row["tasks"].as_array().is_none_or(|tasks| tasks.len() <= 1));
        // A task that is stopped before its container runs never has an exit code.
        let stops = self
            .state
            .calls
            .iter()
            .any(|call| call.operation == "StopTask");
        if !self.is_calm() || !one || stops {
            return;
        }
        let looks = ["DescribeTasks", "ListTasks"];
        let look = |call: &&Call| {
            call.delivery.request == EVENT && looks.contains(&call.operation.as_str())
        };
        if let Some(look) = self.state.calls.iter().find(look) {
            objections.push(format!(
                "an event made the function look at {:.1} s, after it was parked",
                look.at
            ));
        }
    }
}
