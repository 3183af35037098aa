//! The decision a second time: plain JSON in, plain words out, step by step as the model of proxy consent is written down,
//! without a line of `src/`. Slow, and easy to read.
//!
//! A question is an object: `own`, `account`, `grants`, `laid` (what is laid down), `holder_died` (since when the account's own
//! person is dead, from and until), `births` (birth dates as texts), `today` (the practice's day as a text), `now` (microseconds), `organization`, `source`, `action`, `policy` (a table of
//! `age-bands.toml`), `lists` (the tables of `code-lists.toml`), `item`.

use serde_json::{Value, json};

const DAY: i64 = 86_400_000_000;

/// `{"see": true, "outline": …, "contacts": …}` or `{"see": false}`.
pub(super) fn answer(question: &Value) -> Value {
    match seen(question) {
        Some((outline, contacts)) => json!({"see": true, "outline": outline, "contacts": contacts}),
        None => json!({"see": false}),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

fn within(value: &Value, now: i64) -> bool {
    value["from"].as_i64().unwrap() <= now && value["until"].as_i64().is_none_or(|until| now < until)
}

fn holds(list: &Value, wanted: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|value| value == wanted))
}

fn laid<'a>(question: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let now = question["now"].as_i64().unwrap();
    question["laid"].as_array().unwrap().iter().filter(move |rule| text(rule, "kind") == kind && within(rule, now))
}

/// Whether the item is seen, and then whether as an outline and with contact data. What its words may say counts as if it
/// were so, unless staff looked at just those words of just this item: then what they said counts (3.5 v).
fn seen(question: &Value) -> Option<(bool, bool)> {
    let (item, suspected) = (&question["item"], &question["item"]["suspected"]);
    if suspected.is_null() {
        return seen_as_labelled(question);
    }
    let with = |more: Vec<Value>| {
        let mut question = question.clone();
        question["item"]["labels"].as_array_mut().unwrap().extend(more);
        seen_as_labelled(&question)
    };
    let is_of = |rule: &&Value| {
        let same = |name: &str| rule[name] == item[name];
        rule["source"] == question["source"] && same("type") && same("id") && rule["words"] == suspected["words"]
    };
    let said: Vec<&Value> = laid(question, "reviewed").filter(is_of).collect();
    if !said.is_empty() {
        return with(said.iter().flat_map(|rule| rule["labels"].as_array().unwrap().clone()).collect());
    }
    seen_as_labelled(question).and_then(|_| with(suspected["labels"].as_array().unwrap().clone()))
}

fn seen_as_labelled(question: &Value) -> Option<(bool, bool)> {
    let (item, now) = (&question["item"], question["now"].as_i64().unwrap());
    let died = laid(question, "deceased").next().is_some();
    if question["own"] == true {
        if died {
            return None;
        }
        // Who works where is in nobody's way.
        return (text(item, "category") == "directory" || !is_held(question)).then_some((false, true));
    }
    // The dead act for nobody, whatever they were given (scenario 48).
    if question["holder_died"].as_array().unwrap().iter().any(|death| within(death, now)) {
        return None;
    }
    // 2. A grant in force.
    let grants: Vec<&Value> =
        question["grants"].as_array().unwrap().iter().filter(|grant| in_force(grant, now, died)).collect();
    if grants.is_empty() {
        return None;
    }
    // 3. Restrictions override everything.
    let mut contacts = true;
    for rule in laid(question, "restriction") {
        if rule["against"].is_null() || rule["against"] == question["account"] {
            match text(rule, "effect") {
                "none" => return None,
                "records-only" => {
                    contacts = false;
                    if question["action"] != "read" {
                        return None;
                    }
                }
                "no-contact-data" => contacts = false,
                _ => {}
            }
        }
    }
    let flagged = laid(question, "flag")
        .any(|rule| rule["source"] == question["source"] && rule["type"] == item["type"] && rule["id"] == item["id"]);
    let ways: Vec<Option<bool>> = grants.iter().map(|grant| through(question, grant, flagged)).collect();
    let open: Vec<bool> = ways.into_iter().flatten().collect();
    // What two grants show is shown as fully as the better of them shows it.
    (!open.is_empty()).then(|| (open.iter().all(|outline| *outline), contacts || text(item, "category") == "directory"))
}

fn is_held(question: &Value) -> bool {
    let item = &question["item"];
    if item["reviewed"] == true {
        return false;
    }
    laid(question, "hold").any(|hold| {
        let over = hold["days"].as_i64().zip(item["issued"].as_i64());
        holds(&hold["categories"], text(item, "category"))
            && over.is_none_or(|(days, issued)| question["now"].as_i64().unwrap() < issued + days * DAY)
    })
}

fn in_force(grant: &Value, now: i64, died: bool) -> bool {
    if !within(grant, now) {
        return false;
    }
    if grant["review_by"].as_i64().is_some_and(|by| by <= now) {
        return false;
    }
    if grant["springing"] == true && grant["activated"].as_i64().is_none_or(|at| at > now) {
        return false;
    }
    let basis = text(grant, "basis");
    if basis == "best-interest" && grant["from"].as_i64().unwrap() + 90 * DAY <= now {
        return false;
    }
    // After death only the executor; before it never.
    died == (basis == "executor")
}

/// What one grant lets through of the item: nothing, an outline (`true`) or all of it.
fn through(question: &Value, grant: &Value, flagged: bool) -> Option<bool> {
    let item = &question["item"];
    let category = text(item, "category");
    let basis = text(grant, "basis");
    let minor = ["parent", "guardian-minor", "foster"].contains(&basis);
    // 4. Every band that the person may be in.
    let mut verdicts = Vec::new();
    if minor || basis == "patient-consent" {
        for band in possible_bands(question) {
            verdicts.push(by_band(question, grant, band, minor)?);
        }
    }
    let outline = verdicts.contains(&Seen::Outline);
    // Who pays the bills of somebody of age sees them and pays them, whatever else the grant lets them do.
    let pays = minor && grant["guarantor"] == true && ["read", "pay"].contains(&text(question, "action"));
    let bills = pays && possible_bands(question).iter().any(|band| band["rule"] == "nothing");
    // 5. Scope, as far as it is about the whole request.
    let organization = &question["organization"];
    if grant["organizations"].is_array() && !holds(&grant["organizations"], organization.as_str().unwrap()) {
        return None;
    }
    if holds(&grant["without_organizations"], organization.as_str().unwrap()) {
        return None;
    }
    let action = text(question, "action");
    let implied = match text(grant, "level") {
        "view" => vec!["read"],
        "act" => vec!["read", "message", "schedule", "renew", "pay", "correct"],
        _ => vec!["read", "message", "schedule", "renew", "pay", "correct", "export", "connect-app"],
    };
    let explicit = ["export", "connect-app", "grant-others"].contains(&action) && holds(&grant["actions"], action);
    if !implied.contains(&action) && !explicit && !bills {
        return None;
    }
    if category == "directory" {
        return Some(false);
    }
    if flagged || is_held(question) {
        return None;
    }
    if verdicts.contains(&Seen::Not) {
        return None;
    }
    if grant["types"].is_array() && !holds(&grant["types"], text(item, "type")) {
        return None;
    }
    let nobody_s = ["demographics", "derived"].contains(&category);
    if grant["categories"].is_array() && !nobody_s && !holds(&grant["categories"], category) {
        return None;
    }
    if let Some(period) = grant["data"].as_object()
        && !nobody_s
    {
        let first = item["first"].as_str()?;
        let last = item["last"].as_str()?;
        // Dates of one form compare as texts.
        if period["from"].as_str().is_some_and(|from| first < from) {
            return None;
        }
        if period["until"].as_str().is_some_and(|until| last > until) {
            return None;
        }
    }
    // What somebody marked as kept back is not even outlined.
    let labels: Vec<&str> = item["labels"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
    if labels.contains(&"restricted") && question["policy"]["restricted"] != "shown" {
        return None;
    }
    if minor && labels.contains(&"parent-restricted") {
        return None;
    }
    if outline || bills && category == "billing" {
        let has_outline = ["Encounter", "Appointment", "Invoice", "Account", "Coverage", "PaymentNotice"];
        return has_outline.contains(&text(item, "type")).then_some(true);
    }
    // 6. Labels.
    let content: Vec<&str> =
        labels.iter().copied().filter(|label| !["restricted", "parent-restricted"].contains(label)).collect();
    let sensitivity = &grant["sensitivity"];
    if let Some(hidden) = sensitivity.get("all-but")
        && content.iter().any(|label| holds(hidden, label))
    {
        return None;
    }
    if let Some(shown) = sensitivity.get("only")
        && content.iter().any(|label| !holds(shown, label))
    {
        return None;
    }
    // 7. Taint.
    (item["tainted"] != true).then_some(false)
}

#[derive(PartialEq)]
enum Seen {
    Not,
    Outline,
    Bill,
    Whole,
}

/// `None`: the grant gives nothing at all here, whatever the item.
fn by_band(question: &Value, grant: &Value, band: &Value, minor: bool) -> Option<Seen> {
    let (item, action, now) = (&question["item"], text(question, "action"), question["now"].as_i64().unwrap());
    let labels = item["labels"].as_array().unwrap();
    let category = text(item, "category");
    let only = |shown: &Value| {
        if labels.iter().all(|label| holds(shown, label.as_str().unwrap())) { Seen::Whole } else { Seen::Not }
    };
    if !minor {
        // Somebody's own consent: of age it is theirs alone to give; before, it opens what assent opens.
        if band["rule"] == "nothing" {
            return Some(Seen::Whole);
        }
        let named = grant["sensitivity"].get("only").cloned().unwrap_or(json!([]));
        return Some(only(&named));
    }
    if band["expandable"] == true {
        let attested = laid(question, "diminished-capacity");
        if attested.into_iter().any(|rule| now < rule["from"].as_i64().unwrap() + 366 * DAY) {
            return Some(Seen::Whole);
        }
        let assents: Vec<&Value> = laid(question, "assent").filter(|assent| assent["grant"] == grant["id"]).collect();
        if !assents.is_empty() {
            if action == "export" {
                return None;
            }
            let named: Vec<Value> =
                assents.iter().flat_map(|assent| assent["labels"].as_array().unwrap().clone()).collect();
            return Some(only(&json!(named)));
        }
    }
    match text(band, "rule") {
        "nothing" => {
            if grant["guarantor"] == true && ["read", "pay"].contains(&action) {
                return Some(match category {
                    "billing" => Seen::Bill,
                    "demographics" | "derived" | "directory" => Seen::Whole,
                    _ => Seen::Not,
                });
            }
            None
        }
        _ if !holds(&band["actions"], action) => None,
        "everything" => Some(Seen::Whole),
        "without-labels" => Some(only(&json!([]))),
        _ => Some(by_list(question, band)),
    }
}

/// Allow-list: what is not named, not coded or labelled is withheld.
fn by_list(question: &Value, band: &Value) -> Seen {
    let item = &question["item"];
    let category = text(item, "category");
    let labelled = !item["labels"].as_array().unwrap().is_empty();
    if ["derived"].contains(&category) {
        return if labelled { Seen::Not } else { Seen::Whole };
    }
    let codes = item["codes"].as_array().unwrap();
    let mut named = Vec::new();
    for line in band["allow"].as_array().unwrap() {
        if line["category"] != category || line["coded"] == true && codes.is_empty() {
            continue;
        }
        if let Some(name) = line["codes"].as_str() {
            let list = question["lists"].as_array().unwrap().iter().find(|list| list["name"] == name).unwrap();
            let of_system: Vec<bool> = codes
                .iter()
                .filter(|code| list["codes"].get(code[0].as_str().unwrap()).is_some())
                .map(|code| holds(&list["codes"][code[0].as_str().unwrap()], code[1].as_str().unwrap()))
                .collect();
            if of_system.is_empty() || of_system.contains(&false) {
                continue;
            }
        }
        named.push(line["outline"] == true);
    }
    if named.is_empty() {
        return Seen::Not;
    }
    let outline = !named.contains(&false);
    if category == "billing" {
        if outline {
            return Seen::Outline;
        }
    } else if item["tainted"] == true {
        return Seen::Not;
    }
    match (labelled, outline) {
        (true, _) => Seen::Not,
        (false, true) => Seen::Outline,
        (false, false) => Seen::Whole,
    }
}

/// Every band that the person may be in today: of a partial or unknown birth date, each day that it may mean.
fn possible_bands(question: &Value) -> Vec<&Value> {
    let bands = question["policy"]["band"].as_array().unwrap();
    if laid(question, "emancipated").next().is_some() {
        return vec![bands.last().unwrap()];
    }
    let today = number_of(text(question, "today"));
    let births = question["births"].as_array().unwrap();
    let mut found: Vec<usize> = Vec::new();
    if births.is_empty() {
        found.extend(0..bands.len());
    }
    for birth in births {
        match days_of(birth.as_str().unwrap()) {
            None => found.extend(0..bands.len()),
            Some(days) => found.extend(days.into_iter().map(|born| band_of(born, today, bands, question))),
        }
    }
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|index| &bands[index]).collect()
}

fn band_of(born: (i64, i64, i64), today: i64, bands: &[Value], question: &Value) -> usize {
    let mut current = 0;
    for (index, band) in bands.iter().enumerate() {
        let year = born.0 + band["from"]["years"].as_i64().unwrap();
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let birthday = match (born.1, born.2) {
            (2, 29) if !is_leap && question["policy"]["leap-day"] == "february-28" => (year, 2, 28),
            (2, 29) if !is_leap => (year, 3, 1),
            (month, day) => (year, month, day),
        };
        if day_number(birthday) + band["from"]["days"].as_i64().unwrap_or(0) <= today {
            current = index;
        }
    }
    current
}

fn number_of(date: &str) -> i64 {
    let parts: Vec<i64> = date.split('-').map(|part| part.parse().unwrap()).collect();
    day_number((parts[0], parts[1], parts[2]))
}

/// Days since the year 0, month by month.
fn day_number((year, month, day): (i64, i64, i64)) -> i64 {
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let before: i64 = (1..month).map(|month| length(year, month)).sum();
    year * 365 + leaps(year - 1) + before + day
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days that a birth date may mean; `None` for any day.
fn days_of(text: &str) -> Option<Vec<(i64, i64, i64)>> {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let numbers: Option<Vec<i64>> =
        parts.iter().map(|part| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?).collect();
    let numbers = numbers?;
    let months =
        |year: i64| (1..=12).flat_map(move |month| (1..=length(year, month)).map(move |day| (year, month, day)));
    match (lengths.as_slice(), numbers.as_slice()) {
        ([4], [year]) => Some(months(*year).collect()),
        ([4, 2], [year, month @ 1..=12]) => Some((1..=length(*year, *month)).map(|day| (*year, *month, day)).collect()),
        ([4, 2, 2], [year, month @ 1..=12, day]) if *day >= 1 && *day <= length(*year, *month) => {
            Some(vec![(*year, *month, *day)])
        }
        _ => None,
    }
}
