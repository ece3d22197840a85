// Seating plans as operators import them: pretix's JSON, and CSV. What is accepted is a hall in which every
// seat can be told from every other; a CSV plan means the same when it is written down and read again.
#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "base/check.h"
#include "services/seat/plan_csv.h"
#include "services/seat/plan_pretix.h"

namespace boxoffice::seat {
namespace {

void CheckLayout(const SeatingPlan& plan) {
  Prices prices;
  for (const PlanCategory& category : plan.categories) prices[category.name] = 1'000;
  const Result<Layout> layout = MakeLayout(plan, prices);
  if (!layout) {
    CHECK(layout.error().reason == "seating_plan_invalid" || layout.error().reason == "price_invalid");
    return;
  }
  CHECK(layout->capacity() >= 1 && layout->capacity() <= kMaxSeats);
  std::set<std::string> labels;
  for (SeatNo seat_no = 1; seat_no <= layout->capacity(); ++seat_no) {
    CHECK(labels.insert(layout->LabelOf(seat_no)).second, "two seats are called {}",
          layout->LabelOf(seat_no));
    const Row& row = layout->RowOf(seat_no);
    CHECK(seat_no > row.first_seat && seat_no <= row.first_seat + row.seats);
    CHECK(std::isfinite(layout->At(seat_no).x) && std::isfinite(layout->At(seat_no).y));
    CHECK(row.section < layout->sections.size() && layout->PriceOf(seat_no) == 1'000);
  }
  uint32_t seats = 0;
  for (const Category& category : layout->categories) seats += category.seats;
  CHECK(seats == layout->capacity());
  for (const SeatNo seat_no : layout->accessible) CHECK(layout->Has(seat_no));
  for (const Companion& one : layout->companions) {
    CHECK(std::ranges::binary_search(layout->accessible, one.of) && one.of != one.seat_no);
  }
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

// A line for each seat, guids left out: they count lines.
std::string CsvOf(const SeatingPlan& plan) {
  std::string csv = "section,row,number,category,x,y,accessible,companion_of\n";
  std::unordered_map<std::string, std::string> numbers;  // by guid
  for (const PlanZone& zone : plan.zones) {
    for (const PlanRow& row : zone.rows) {
      for (const PlanSeat& seat : row.seats) numbers[seat.guid] = seat.number;
    }
  }
  for (const PlanZone& zone : plan.zones) {
    for (const PlanRow& row : zone.rows) {
      for (const PlanSeat& seat : row.seats) {
        const std::string companion = seat.companion_of.empty() ? "" : Quoted(numbers.at(seat.companion_of));
        csv +=
            fmt::format("{},{},{},{},{},{},{},{}\n", Quoted(zone.name), Quoted(row.name), Quoted(seat.number),
                        Quoted(seat.category), seat.x, seat.y, seat.accessible ? "yes" : "no", companion);
      }
    }
  }
  return csv;
}

}  // namespace

void Fuzz(std::string_view text) {
  const bool is_json = text.starts_with('{');
  const Result<SeatingPlan> plan = is_json ? ParsePretixPlan(text) : ParseCsvPlan(text);
  if (!plan) {
    CHECK(plan.error().code == Code::kInvalidArgument && plan.error().reason == "seating_plan_invalid");
    return;
  }
  CheckLayout(*plan);
  if (is_json) return;
  const std::string csv = CsvOf(*plan);
  const Result<SeatingPlan> again = ParseCsvPlan(csv);
  CHECK(again.has_value(), "{}: {}", again.error().detail, csv);
  CHECK(CsvOf(*again) == csv, "another plan than:\n{}\n{}", csv, CsvOf(*again));
}

}  // namespace boxoffice::seat

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  boxoffice::seat::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
