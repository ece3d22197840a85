#include "services/seat/plan_pretix.h"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/text.h"

namespace boxoffice::seat {
namespace {

namespace json = boost::json;

std::unexpected<Error> Invalid(std::string detail) {
  return Fail(Code::kInvalidArgument, "seating_plan_invalid", std::move(detail));
}

// Where in the text `offset` stands, as editors count it.
std::string Place(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return fmt::format("line {}, column {}", line, before.size() - line_start + 1);
}

struct Point {
  double x = 0;
  double y = 0;
};

// A path is built only when something is wrong: a plan has tens of thousands of seats.
struct Path {
  const Path* parent = nullptr;
  std::string_view member;
  size_t index = 0;

  [[nodiscard]] std::string Text() const {
    if (parent == nullptr) return {};
    const std::string above = parent->Text();
    return fmt::format("{}{}{}[{}]", above, above.empty() ? "" : ".", member, index);
  }
  [[nodiscard]] std::string Text(std::string_view leaf) const {
    const std::string above = Text();
    return above.empty() ? std::string(leaf) : fmt::format("{}.{}", above, leaf);
  }
};

Result<std::string> Text(const json::object& object, std::string_view name, const Path& path, bool required) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) {
    if (required) return Invalid(path.Text(name) + ": is missing");
    return std::string();
  }
  if (const json::string* text = value->if_string()) return std::string(text->data(), text->size());
  return Invalid(path.Text(name) + ": is not a string");
}

Result<bool> Flag(const json::object& object, std::string_view name, const Path& path) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return false;
  if (const bool* flag = value->if_bool()) return *flag;
  return Invalid(path.Text(name) + ": is neither true nor false");
}

Result<const json::array*> Array(const json::object& object, std::string_view name, const Path& path) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return Invalid(path.Text(name) + ": is missing");
  if (const json::array* array = value->if_array()) return array;
  return Invalid(path.Text(name) + ": is not an array");
}

Result<double> Coordinate(const json::object& position, std::string_view name, const Path& path) {
  const json::value* value = position.if_contains(name);
  if (value == nullptr) return Invalid(path.Text("position.") + std::string(name) + ": is missing");
  boost::system::error_code error;
  const auto number = value->to_number<double>(error);
  if (error) return Invalid(path.Text("position.") + std::string(name) + ": is not a number");
  return number;
}

Result<Point> Position(const json::object& object, const Path& path, Point origin) {
  const json::value* value = object.if_contains("position");
  if (value == nullptr || value->is_null()) return origin;
  const json::object* position = value->if_object();
  if (position == nullptr) return Invalid(path.Text("position") + ": is not an object");
  BOXOFFICE_ASSIGN(const double x, Coordinate(*position, "x", path));
  BOXOFFICE_ASSIGN(const double y, Coordinate(*position, "y", path));
  return Point{origin.x + x, origin.y + y};
}

// Calls `read(object, path)` for each object of an array.
template <typename Read>
Result<void> ForEach(const json::object& object, std::string_view name, const Path& path, Read read) {
  BOXOFFICE_ASSIGN(const json::array* array, Array(object, name, path));
  for (size_t i = 0; i < array->size(); ++i) {
    const Path item_path{&path, name, i};
    const json::object* item = (*array)[i].if_object();
    if (item == nullptr) return Invalid(item_path.Text() + ": is not an object");
    BOXOFFICE_TRY(read(*item, item_path));
  }
  return {};
}

Result<PlanSeat> ReadSeat(const json::object& object, const Path& path, Point origin) {
  PlanSeat seat;
  BOXOFFICE_ASSIGN(seat.guid, Text(object, "seat_guid", path, true));
  BOXOFFICE_ASSIGN(seat.number, Text(object, "seat_number", path, true));
  BOXOFFICE_ASSIGN(seat.category, Text(object, "category", path, true));
  BOXOFFICE_ASSIGN(seat.companion_of, Text(object, "companion_of", path, false));
  BOXOFFICE_ASSIGN(seat.accessible, Flag(object, "accessible", path));
  BOXOFFICE_ASSIGN(const Point place, Position(object, path, origin));
  seat.x = place.x;
  seat.y = place.y;
  return seat;
}

Result<PlanRow> ReadRow(const json::object& object, const Path& path, Point origin) {
  PlanRow row;
  BOXOFFICE_ASSIGN(row.name, Text(object, "row_number", path, true));
  BOXOFFICE_ASSIGN(const Point place, Position(object, path, origin));
  BOXOFFICE_TRY(
      ForEach(object, "seats", path, [&](const json::object& item, const Path& item_path) -> Result<void> {
        BOXOFFICE_ASSIGN(PlanSeat seat, ReadSeat(item, item_path, place));
        row.seats.push_back(std::move(seat));
        return {};
      }));
  return row;
}

Result<PlanZone> ReadZone(const json::object& object, const Path& path) {
  PlanZone zone;
  BOXOFFICE_ASSIGN(zone.name, Text(object, "name", path, false));
  BOXOFFICE_ASSIGN(const Point place, Position(object, path, {}));
  BOXOFFICE_TRY(
      ForEach(object, "rows", path, [&](const json::object& item, const Path& item_path) -> Result<void> {
        BOXOFFICE_ASSIGN(PlanRow row, ReadRow(item, item_path, place));
        zone.rows.push_back(std::move(row));
        return {};
      }));
  return zone;
}

Result<SeatingPlan> ReadPlan(const json::object& object) {
  SeatingPlan plan;
  const Path root;
  BOXOFFICE_ASSIGN(plan.name, Text(object, "name", root, false));
  BOXOFFICE_TRY(
      ForEach(object, "categories", root, [&](const json::object& item, const Path& path) -> Result<void> {
        BOXOFFICE_ASSIGN(std::string name, Text(item, "name", path, true));
        BOXOFFICE_ASSIGN(std::string color, Text(item, "color", path, false));
        plan.categories.push_back({std::move(name), std::move(color)});
        return {};
      }));
  BOXOFFICE_TRY(
      ForEach(object, "zones", root, [&](const json::object& item, const Path& path) -> Result<void> {
        BOXOFFICE_ASSIGN(PlanZone zone, ReadZone(item, path));
        plan.zones.push_back(std::move(zone));
        return {};
      }));
  return plan;
}

}  // namespace

Result<SeatingPlan> ParsePretixPlan(std::string_view text) {
  if (text.size() > kMaxPlanBytes) {
    return Invalid(fmt::format("{} bytes, at most {} are possible", text.size(), kMaxPlanBytes));
  }
  text = WithoutByteOrderMark(text);
  json::monotonic_resource memory;
  json::stream_parser parser(&memory);
  boost::system::error_code error;
  const size_t read = parser.write_some(text.data(), text.size(), error);
  if (!error && read < text.size()) error = json::error::extra_data;
  if (!error) parser.finish(error);
  if (error) return Invalid(fmt::format("{}: {}", Place(text, read), error.message()));
  const json::value value = parser.release();
  const json::object* object = value.if_object();
  if (object == nullptr) return Invalid("line 1, column 1: the plan is not an object");
  return ReadPlan(*object);
}

}  // namespace boxoffice::seat
