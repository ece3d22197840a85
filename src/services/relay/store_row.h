// The rows of the relay's tables, from either store's statements.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "services/relay/store.h"

namespace boxoffice::relay {

[[nodiscard]] inline std::optional<int64_t> ToMs(const std::optional<Timestamp>& time) {
  return time ? std::optional(ToUnixMs(*time)) : std::nullopt;
}

template <typename Row>
[[nodiscard]] std::optional<Timestamp> TimeAt(const Row& row, int column) {
  return row.IsNull(column) ? std::nullopt : std::optional(FromUnixMs(row.Int(column)));
}

// Of a statement that begins with the delivery's columns.
template <typename Row>
[[nodiscard]] Delivery DeliveryAt(const Row& row) {
  Delivery delivery;
  delivery.id = row.Int(0);
  delivery.target_id = row.Int(1);
  delivery.event_id = row.template Id<EventId>(2);
  delivery.event_type = row.Text(3);
  delivery.key = row.Text(4);
  delivery.state = static_cast<State>(row.Int(5));
  delivery.attempts = static_cast<int>(row.Int(6));
  delivery.next_attempt_at = TimeAt(row, 7);
  delivery.last_status = static_cast<int>(row.Int(8));
  delivery.last_error = row.Text(9);
  delivery.created_at = FromUnixMs(row.Int(10));
  delivery.delivered_at = TimeAt(row, 11);
  return delivery;
}

// Of one that begins with the target's columns.
template <typename Row>
[[nodiscard]] Target TargetAt(const Row& row) {
  Target target;
  target.id = row.Int(0);
  target.operation_key = row.Text(1);
  target.url = row.Text(2);
  target.event_types = SplitEventTypes(row.Text(3));
  target.secret = row.Text(4);
  target.enabled = row.Bool(5);
  target.disabled_reason = row.Text(6);
  target.created_at = FromUnixMs(row.Int(7));
  target.deleted = row.Bool(8);
  target.show_ids = SplitShowIds(row.Text(9));
  target.payload = static_cast<Payload>(row.Int(10));
  target.rate_per_s = row.Double(11);
  target.old_secret = row.Text(12);
  target.old_secret_until = FromUnixMs(row.Int(13));
  target.rotation_key = row.Text(14);
  target.version = row.Int(15);
  target.wants_since = FromUnixMs(row.Int(16));
  target.past_filters = SplitPastFilters(row.Text(17));
  target.paused_until = FromUnixMs(row.Int(18));
  target.creation_content = row.Text(19);
  target.rotation_content = row.Text(20);
  return target;
}

}  // namespace boxoffice::relay
