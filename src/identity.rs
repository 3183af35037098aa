//! Who people are: accounts, persons, links to charts, grants to act for another.
