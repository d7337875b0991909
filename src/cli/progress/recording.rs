//! Keeps the course of a run beside whoever draws it, for the report.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::model::event::{Event, Observer};
use crate::model::timeline::{Course, Timeline};

/// Hears what another observer hears, and when.
pub struct Recording {
    heard_by: Arc<dyn Observer>,
    began: DateTime<Utc>,
    begun: Instant,
    course: Mutex<Course>,
}

impl Recording {
    /// A recording that begins now.
    pub fn new(heard_by: Arc<dyn Observer>) -> Self {
        Self { heard_by, began: Utc::now(), begun: Instant::now(), course: Mutex::default() }
    }

    /// The time line up to now.
    pub fn timeline(&self) -> Timeline {
        let course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        course.timeline(self.began, self.begun.elapsed())
    }
}

impl Observer for Recording {
    fn event(&self, event: &Event) {
        let at = self.begun.elapsed();
        self.course.lock().unwrap_or_else(PoisonError::into_inner).hear(event, at);
        self.heard_by.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Phase;

    struct Heard(Mutex<Vec<Event>>);

    impl Observer for Heard {
        fn event(&self, event: &Event) {
            self.0.lock().unwrap().push(event.clone());
        }
    }

    #[test]
    fn what_is_recorded_is_heard_as_well() {
        let heard = Arc::new(Heard(Mutex::default()));
        let recording = Recording::new(heard.clone());
        let events = [Phase::Load, Phase::Verify].map(|phase| Event::Phase { phase });
        for event in &events {
            recording.event(event);
        }
        assert_eq!(*heard.0.lock().unwrap(), events);
        let phases = recording.timeline().phases;
        assert_eq!(phases.iter().map(|span| span.phase).collect::<Vec<_>>(), [Phase::Load, Phase::Verify]);
    }
}
