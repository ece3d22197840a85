// Small halls and readable ids for the tests of this folder.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/id.h"
#include "services/seat/layout.h"
#include "services/seat/seating_plan.h"

namespace boxoffice::seat {

// Two sections: "Floor" with every row but the last, of category A at 1000, and "Balcony" with the last one,
// of category B at 500; a single row is all of Floor. Rows are named 1, 2, … and have so many seats.
inline std::shared_ptr<const Layout> MakeHall(std::initializer_list<uint32_t> row_lengths) {
  SeatingPlan plan;
  plan.categories = {{"A", "#f00"}, {"B", "#00f"}};
  plan.zones.resize(row_lengths.size() > 1 ? 2 : 1);
  plan.zones[0].name = "Floor";
  if (plan.zones.size() > 1) plan.zones[1].name = "Balcony";
  size_t index = 0;
  for (const uint32_t length : row_lengths) {
    ++index;
    const bool last = index == row_lengths.size() && index > 1;
    PlanRow row{std::to_string(index), {}};
    for (uint32_t seat = 1; seat <= length; ++seat) {
      row.seats.push_back({std::to_string(index) + "/" + std::to_string(seat), std::to_string(seat),
                           last ? "B" : "A", static_cast<double>(seat), static_cast<double>(index)});
    }
    plan.zones[last ? 1 : 0].rows.push_back(std::move(row));
  }
  auto layout = MakeLayout(plan, {{"A", 1000}, {"B", 500}});
  CHECK(layout.has_value(), "{}", layout.error().detail);
  return std::make_shared<const Layout>(*std::move(layout));
}

// A UUID that tells what it is: `kind` in its first byte, `n` in its last eight.
inline Uuid NumberedUuid(uint8_t kind, uint64_t n) {
  std::string bytes(16, '\0');
  bytes[0] = static_cast<char>(kind);
  for (size_t i = 0; i < 8; ++i) bytes[15 - i] = static_cast<char>(n >> (8 * i));
  return *Uuid::FromBytes(bytes);
}

}  // namespace boxoffice::seat
