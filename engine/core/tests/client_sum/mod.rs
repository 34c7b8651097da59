//! The sum of `PROTOCOL.md`, "When will a rank pass?", done as a client does it: from the JSON of a
//! snapshot, following the text of that page line by line and nothing of the core.

use serde_json::Value;

/// `[earliest, expected, latest]` of each rank, in call order; `None` for whoever is not to be called.
pub fn client_sum(snapshot: &Value, now: i64) -> Vec<Option<[i64; 3]>> {
    let grace = int(&snapshot["grace"]);
    let pace = int(&snapshot["pace_permille"]);
    let participants = snapshot["participants"].as_array().expect("participants");
    let now = now.max(int(&snapshot["at"]));
    let mut free = [now; 3];
    if !snapshot["turn"].is_null() {
        let turn = &snapshot["turn"];
        let left = match &turn["remaining_when_suspended"] {
            Value::Null => int(&turn["deadline"]) - now,
            kept => int(kept),
        };
        let index = usize::try_from(int(&turn["rank"]) - 1).expect("a rank");
        let allowed = int(&participants[index]["turn_duration"]) + int(&turn["extended_by"]);
        let gone = int(&turn["deadline"]) - int(&turn["opened_at"]) - int(&turn["stopped_for"]) - left;
        free[1] = now + (allowed * pace / 1_000 - gone).max(0);
        free[2] = now + (left + grace).max(0);
    }
    let early = snapshot["policies"]["early_opening"] == true;
    let first_planned = &participants[0]["planned_at"];
    let mut sums = Vec::new();
    for participant in participants {
        let to_come = int(&participant["rank"]) >= int(&snapshot["next_rank"]);
        if participant["standing"] != "waiting" || !to_come || participant["planned_at"].is_null() {
            sums.push(None);
            continue;
        }
        let planned = int(&participant["planned_at"]);
        let whole = int(&participant["turn_duration"]);
        let callable = if early { int(first_planned).min(planned) } else { planned };
        let opens = free.map(|free| first_open(&snapshot["opening"], callable.max(free)));
        let counted_from = if early { opens[2].max(planned) } else { opens[2] };
        free = [opens[0], opens[1] + whole * pace / 1_000, counted_from + whole + grace];
        sums.push(Some(opens));
    }
    sums
}

/// `t` moved out of breaks; the last range has no end.
fn first_open(opening: &Value, t: i64) -> i64 {
    let ranges = opening.as_array().expect("ranges");
    let last = ranges.len() - 1;
    let range = ranges.iter().enumerate().find(|(i, range)| *i == last || t < int(&range["closes_at"]));
    t.max(int(&range.expect("the last one always fits").1["opens_at"]))
}

fn int(value: &Value) -> i64 {
    value.as_i64().expect("a whole number")
}
