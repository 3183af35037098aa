//! The same rules on PostgreSQL, which runs writes side by side: what SQLite's one writer decides by order, a statement
//! must decide here.

use super::world::World;
use super::{acts, codes, discovery, expiry, refresh, sessions, tokens};
use crate::support::database::with_postgres;

macro_rules! on_postgres {
    ($($test:ident = $contract:path;)+) => {
        $( #[test] fn $test() { with_postgres(|database| async { $contract(World::on(database).await).await }); } )+
    };
}

on_postgres! {
    s07_every_act_leaves_one_entry = acts::every_act_leaves_one_entry;
    s07_without_its_entry_no_act_is_done = acts::without_its_entry_no_act_is_done;
    s07_what_the_operator_does = acts::what_the_operator_does;
    o07_a_code_replayed_later_kills = codes::a_code_replayed_later_kills;
    o08_of_64_at_once_exactly_one_gets_tokens = codes::of_64_at_once_exactly_one_gets_tokens;
    o21_a_replay_kills_the_family = refresh::a_replay_kills_the_family;
    o22_many_refreshes_make_one_lineage = refresh::many_refreshes_make_one_lineage;
    o24_a_second_process_knows = refresh::a_second_process_knows;
    online_access_ends = refresh::online_access_ends;
    processes_make_one_key = discovery::processes_make_one_key;
    sessions_end = sessions::sessions_end;
    what_ended_is_removed = expiry::what_ended_is_removed;
    removal_goes_in_batches = expiry::removal_goes_in_batches;
    a_grant_that_ends = tokens::a_grant_that_ends;
}
