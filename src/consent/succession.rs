//! What becomes of the practices that a grant names when practices merge or part. Nobody sees more by it than before, and
//! what would be lost by a name alone stays.

use std::collections::BTreeSet;

use super::scope::GrantScope;
use crate::base::id::OrganizationId;
use crate::base::source_key::SourceKey;

/// What happened to practices, as far as grants name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Succession {
    /// One became part of another.
    Absorbed {
        /// The one that ended.
        from: OrganizationId,
        /// The sources that it had.
        sources: BTreeSet<SourceKey>,
        /// The one that it is part of.
        into: OrganizationId,
        /// The source whose records are taken over, and the one that has them now.
        taken_over: (SourceKey, SourceKey),
    },
    /// A source went to a practice of its own.
    Split {
        /// The practice that it was of.
        from: OrganizationId,
        /// The source.
        source: SourceKey,
        /// The practice that it is of.
        into: OrganizationId,
    },
}

impl Succession {
    /// What a scope is from now on; none where it stays as it is.
    #[must_use]
    pub fn applied(&self, scope: &GrantScope) -> Option<GrantScope> {
        let mut new = scope.clone();
        match self {
            Self::Absorbed { from, sources, into, taken_over: (old, now) } => {
                if let Some(named) = &mut new.organizations {
                    let (had, has) = (named.remove(from), named.contains(into));
                    match (had, has) {
                        // Of the one's own records, and not of what the other knows beside.
                        (true, false) => new.sources.extend(sources),
                        // Of what the other knew, and not of what came to it.
                        (false, true) => new.without_sources.extend(sources),
                        _ => {}
                    }
                }
                // What was left out is in the other's EHR now, and cannot be told from the rest of it.
                if new.without_organizations.remove(from) {
                    new.without_sources.extend(sources);
                    new.without_sources.insert(*now);
                }
                if scope.without_sources.contains(old) {
                    new.without_sources.insert(*now);
                }
            }
            Self::Split { from, source, into } => {
                if new.organizations.as_ref().is_some_and(|named| named.contains(from)) {
                    new.sources.insert(*source);
                }
                if new.without_organizations.contains(from) {
                    new.without_organizations.insert(*into);
                }
            }
        }
        (new != *scope).then_some(new)
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::Level;
    use super::*;
    use crate::base::random::SeededRandom;

    struct World {
        a: OrganizationId,
        b: OrganizationId,
        other: OrganizationId,
        /// Two sources of the first, two of the second; the first's `a1` is taken over by `b1`.
        a1: SourceKey,
        a2: SourceKey,
        b1: SourceKey,
        b2: SourceKey,
    }

    impl World {
        fn new() -> Self {
            let random = SeededRandom::new(11);
            let (id, key) = (|| OrganizationId::mint(&random), || SourceKey::mint(&random));
            Self { a: id(), b: id(), other: id(), a1: key(), a2: key(), b1: key(), b2: key() }
        }

        fn absorbed(&self) -> Succession {
            Succession::Absorbed {
                from: self.a,
                sources: [self.a1, self.a2].into(),
                into: self.b,
                taken_over: (self.a1, self.b1),
            }
        }

        /// What is seen of `a1 a2 b1 b2`, with the practices that have them.
        fn seen(&self, scope: &GrantScope, owners: [OrganizationId; 4]) -> [bool; 4] {
            let keys = [self.a1, self.a2, self.b1, self.b2];
            std::array::from_fn(|n| scope.covers_source(owners[n], keys[n]))
        }
    }

    fn limited(to: &[OrganizationId]) -> GrantScope {
        GrantScope { organizations: Some(to.iter().copied().collect()), ..GrantScope::whole(Level::View) }
    }

    fn without(left_out: &[OrganizationId]) -> GrantScope {
        GrantScope { without_organizations: left_out.iter().copied().collect(), ..GrantScope::whole(Level::View) }
    }

    /// By hand: what each scope shows before and after one practice became part of the other.
    #[test]
    fn nobody_sees_more_by_a_merger_and_what_one_was_limited_to_stays() {
        let world = World::new();
        let World { a, b, other, .. } = world;
        let rows: [(GrantScope, [bool; 4], [bool; 4]); 8] = [
            (GrantScope::whole(Level::View), [true; 4], [true; 4]),
            (limited(&[a]), [true, true, false, false], [true, true, false, false]),
            (limited(&[b]), [false, false, true, true], [false, false, true, true]),
            (limited(&[a, b]), [true; 4], [true; 4]),
            (limited(&[other]), [false; 4], [false; 4]),
            // The records that were left out are in `b1` as well now.
            (without(&[a]), [false, false, true, true], [false, false, false, true]),
            (without(&[b]), [true, true, false, false], [false; 4]),
            (without(&[other]), [true; 4], [true; 4]),
        ];
        for (scope, before, after) in rows {
            assert_eq!(world.seen(&scope, [a, a, b, b]), before, "{scope:?}");
            let now = world.absorbed().applied(&scope).unwrap_or_else(|| scope.clone());
            assert_eq!(world.seen(&now, [b; 4]), after, "{scope:?}");
        }
    }

    /// Left out of the first, which the second absorbs, which a third absorbs.
    #[test]
    fn what_was_left_out_stays_left_out_however_often_it_is_taken_over() {
        let world = World::new();
        let World { a, b, other: c, b1, a1, a2, b2 } = world;
        let c1 = SourceKey::mint(&SeededRandom::new(12));
        let next = Succession::Absorbed { from: b, sources: [a1, a2, b1, b2].into(), into: c, taken_over: (b1, c1) };
        let left_out = next.applied(&world.absorbed().applied(&without(&[a])).unwrap()).unwrap();
        assert!(!left_out.covers_source(c, a1) && !left_out.covers_source(c, b1) && !left_out.covers_source(c, c1));
        assert!(left_out.covers_source(c, b2));
        // Who was limited to the first sees it at its own source, and nothing of the others.
        let own = world.absorbed().applied(&limited(&[a])).unwrap();
        let own = next.applied(&own).unwrap_or(own);
        assert_eq!([a1, a2, b1, b2, c1].map(|key| own.covers_source(c, key)), [true, true, false, false, false]);
    }

    #[test]
    fn a_source_on_its_own_is_seen_and_left_out_as_before() {
        let world = World::new();
        let (World { a, b, .. }, new) = (&world, OrganizationId::mint(&SeededRandom::new(13)));
        let split = Succession::Split { from: *a, source: world.a2, into: new };
        for (scope, seen) in [
            (GrantScope::whole(Level::View), [true; 4]),
            (limited(&[*a]), [true, true, false, false]),
            (limited(&[*b]), [false, false, true, true]),
            (without(&[*a]), [false, false, true, true]),
        ] {
            assert_eq!(world.seen(&scope, [*a, *a, *b, *b]), seen);
            let now = split.applied(&scope).unwrap_or_else(|| scope.clone());
            assert_eq!(world.seen(&now, [*a, new, *b, *b]), seen, "{scope:?}");
        }
        // What the new practice connects later was never part of the leave that one had for the old.
        let later = SourceKey::mint(&SeededRandom::new(14));
        assert!(!split.applied(&limited(&[*a])).unwrap().covers_source(new, later));
        assert!(!split.applied(&without(&[*a])).unwrap().covers_source(new, later));
    }

    /// Stored scopes stay readable, and those that no merger touched stay as they were written.
    #[test]
    fn scopes_are_written_as_before_where_nothing_changed() {
        let world = World::new();
        let plain = serde_json::to_string(&limited(&[world.a])).unwrap();
        assert!(!plain.contains("sources"), "{plain}");
        let moved = world.absorbed().applied(&without(&[world.a])).unwrap();
        let read: GrantScope = serde_json::from_str(&serde_json::to_string(&moved).unwrap()).unwrap();
        assert_eq!(read, moved);
    }
}
