// Which seats an operator's request is about: named ones, or all of a section or of one of its rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/result.h"
#include "boxoffice/seat/v1/seat.pb.h"
#include "gateway/pages.h"
#include "platform/http/json_reader.h"
#include "platform/http/message.h"

namespace boxoffice::gateway {

inline constexpr size_t kMaxNamedSeats = 5'000;  // of one request

// Reads `seats`, or `section` and if wanted `row`, and the `reason`; `query` is a request of the seat
// service. With `optional`, there may be neither. Refuses what is wrong by the field's name, in
// reader.Finish().
template <typename Query>
std::vector<int64_t> ReadNamedSeats(http::ObjectReader& reader, Query& query, bool optional = false) {
  query.set_reason(ReasonInBody(reader));
  const auto seats = reader.OptionalArray<int64_t>("seats", kMaxNamedSeats);
  query.set_section(reader.Optional<std::string>("section").value_or(""));
  query.set_row(reader.Optional<std::string>("row").value_or(""));
  if (!optional && !seats && query.section().empty()) {
    reader.Refuse("seats", "field_missing", "or `section` is missing");
  }
  if (seats && seats->empty()) reader.Refuse("seats", "no_seats", "is empty");
  if (seats && !query.section().empty()) reader.Refuse("section", "field_invalid", "excludes `seats`");
  if (query.section().empty() && !query.row().empty()) {
    reader.Refuse("row", "field_invalid", "needs `section`");
  }
  return seats.value_or(std::vector<int64_t>());
}

// Errors (kInvalidArgument): seat_unknown.
template <typename Query>
Result<void> NameSeats(const std::vector<int64_t>& seats, Query& query) {
  for (const int64_t seat : seats) {
    if (seat < 1 || seat > UINT32_MAX) {
      return Fail(Code::kInvalidArgument, "seat_unknown", fmt::format("there is no seat {}", seat));
    }
    query.add_seat_nos(static_cast<uint32_t>(seat));
  }
  return {};
}

// The show as it is then, or why none of the seats was changed, with those in the way.
[[nodiscard]] http::Response NamedSeatsResponse(const seat::v1::BlockSeatsResponse& answer);

}  // namespace boxoffice::gateway
