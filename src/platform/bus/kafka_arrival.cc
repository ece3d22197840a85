#include "platform/bus/kafka_arrival.h"

#include <algorithm>
#include <utility>

namespace boxoffice::bus::kafka {

Arrival Arrive(std::string_view topic, int32_t partition, int64_t offset, Result<Record>& event,
               Progress& progress, std::vector<Record>& pending) {
  const auto is_of_partition = [&](const Record& record) {
    return record.partition == partition && record.event.topic == topic;
  };
  Arrival arrival = offset > progress.arrived ? Arrival::kExpired : Arrival::kNext;
  if (offset < progress.arrived) {
    const auto stands = std::ranges::find_if(
        pending, [&](const Record& record) { return is_of_partition(record) && record.offset == offset; });
    // An offset alone says nothing: in a log that was made anew, another event may stand where one stood that
    // waits. What is no event does not wait.
    const bool again = stands != pending.end() ? event.has_value() && event->event.id == stands->event.id
                                               : !event.has_value() && offset >= progress.next;
    if (again) return Arrival::kAgain;
    arrival = Arrival::kBack;
    std::erase_if(pending,
                  [&](const Record& record) { return is_of_partition(record) && record.offset >= offset; });
  }
  progress.arrived = offset + 1;
  if (event) pending.push_back(*std::move(event));
  if (arrival == Arrival::kBack) {
    const auto first = std::ranges::find_if(pending, is_of_partition);
    progress.next = first != pending.end() ? first->offset : progress.arrived;
  }
  return arrival;
}

}  // namespace boxoffice::bus::kafka
