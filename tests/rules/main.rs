//! What filter rules mean, seen from outside: each case through the program's own `why --list`.

mod cases;
