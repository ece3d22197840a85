#include "gateway/seat_rows.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "platform/http/json_writer.h"

namespace boxoffice::gateway {
namespace {

using http::JsonWriter;
using seat::v1::SeatInfo;

constexpr int kMostDecimals = 4;
// Places of a row of which all pairs are compared. A show's 100,000 seats may all be in one row, of 5,000
// million pairs.
constexpr size_t kMostPaired = 256;

// The number with the fewest decimals that is well inside of an interval; nullopt: it is too narrow.
std::optional<double> Shortest(double low, double high) {
  double scale = 1;
  for (int decimals = 0; decimals <= kMostDecimals; ++decimals, scale *= 10) {
    const double middle = std::round((low + high) / 2 * scale) / scale;
    if (low < middle && middle < high) return middle;
  }
  return std::nullopt;
}

double At(const Line& line, size_t i) {
  return std::floor(line.first + static_cast<double>(i) * line.step + 0.5);
}

// Where the steps of all lines through the places lie: each two of them leave room for rounding, and no more.
// Of a long row only the first place is compared with each: that says next to the same, and LineOfStep looks
// at all of them.
std::pair<double, double> StepsThrough(std::span<const double> places) {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  const size_t firsts = places.size() <= kMostPaired ? places.size() : 1;
  for (size_t i = 0; i < firsts; ++i) {
    for (size_t j = i + 1; j < places.size(); ++j) {
      const auto apart = static_cast<double>(j - i);
      low = std::max(low, (places[j] - places[i] - 1) / apart);
      high = std::min(high, (places[j] - places[i] + 1) / apart);
    }
  }
  return {low, high};
}

std::optional<Line> LineOfStep(std::span<const double> places, double step) {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < places.size(); ++i) {
    const double from_first = static_cast<double>(i) * step;
    low = std::max(low, places[i] - 0.5 - from_first);
    high = std::min(high, places[i] + 0.5 - from_first);
  }
  const std::optional<double> first = low < high ? Shortest(low, high) : std::nullopt;
  if (!first) return std::nullopt;
  const Line line{*first, step};
  for (size_t i = 0; i < places.size(); ++i) {
    if (At(line, i) != places[i]) return std::nullopt;
  }
  return line;
}

// 1, 2, 3, … from the first one's number, as people write them.
std::optional<uint32_t> FirstOfCount(std::span<const SeatInfo* const> seats) {
  const std::string& text = seats.front()->number();
  uint32_t first = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), first);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  for (size_t i = 0; i < seats.size(); ++i) {
    if (seats[i]->number() != fmt::to_string(first + i)) return std::nullopt;
  }
  return first;
}

// Columns of JSON, and of those rows that don't fit a column what each of their seats has.
class Columns {
 public:
  void Add(std::span<const SeatInfo* const> seats) {
    const SeatInfo& first = *seats.front();
    Put(section_, IndexOf(sections_, first.section()));
    name_.Value(first.row());
    Put(seats_, seats.size());
    AddNumbers(seats);
    AddPrices(seats);
    AddPlaces(seats, &SeatInfo::x, x_);
    AddPlaces(seats, &SeatInfo::y, y_);
    ++row_;
  }

  std::string Take() {
    JsonWriter writer;
    writer.BeginObject().Key("sections").BeginArray();
    for (const std::string& section : sections_) writer.Value(section);
    writer.EndArray().Key("prices").BeginArray();
    for (const auto& [category, price] : prices_)
      writer.BeginObject().Field("category", category).Field("price", price).EndObject();
    writer.EndArray().Key("rows").BeginObject();
    const auto column = [&writer](std::string_view name, JsonWriter& of) {
      writer.Key(name).Raw(of.EndArray().Take());
    };
    column("section", section_);
    column("name", name_);
    column("seats", seats_);
    column("number", number_);
    column("price", price_);
    column("x", x_.first);
    column("dx", x_.step);
    column("y", y_.first);
    column("dy", y_.step);
    writer.EndObject().Key("exceptions").BeginObject();
    const auto others = [&writer](std::string_view name, JsonWriter& of) {
      writer.Key(name).Raw(of.EndObject().Take());
    };
    others("number", all_numbers_);
    others("price", all_prices_);
    others("x", x_.all);
    others("y", y_.all);
    writer.EndObject().EndObject();
    const std::string text = writer.Take();
    return text.substr(1, text.size() - 2);
  }

 private:
  template <typename Number>
  static void Put(JsonWriter& column, Number number) {
    column.Raw(fmt::to_string(number));
  }
  template <typename Value>
  static size_t IndexOf(std::vector<Value>& values, const Value& value) {
    // Neighbours are mostly alike.
    const auto found = std::ranges::find(values.rbegin(), values.rend(), value);
    if (found != values.rend()) return static_cast<size_t>(values.rend() - found) - 1;
    values.push_back(value);
    return values.size() - 1;
  }

  void AddNumbers(std::span<const SeatInfo* const> seats) {
    const std::optional<uint32_t> first = FirstOfCount(seats);
    if (first) return Put(number_, *first);
    number_.Null();
    all_numbers_.Key(fmt::to_string(row_)).BeginArray();
    for (const SeatInfo* seat : seats) all_numbers_.Value(seat->number());
    all_numbers_.EndArray();
  }

  void AddPrices(std::span<const SeatInfo* const> seats) {
    std::vector<size_t> of_seats;
    for (const SeatInfo* seat : seats)
      of_seats.push_back(IndexOf(prices_, std::pair<std::string, int64_t>(seat->category(), seat->price())));
    if (std::ranges::all_of(of_seats, [&](size_t price) { return price == of_seats.front(); }))
      return Put(price_, of_seats.front());
    price_.Null();
    all_prices_.Key(fmt::to_string(row_)).BeginArray();
    for (const size_t price : of_seats) Put(all_prices_, price);
    all_prices_.EndArray();
  }

  static JsonWriter Array() {
    JsonWriter writer;
    writer.BeginArray();
    return writer;
  }
  static JsonWriter Object() {
    JsonWriter writer;
    writer.BeginObject();
    return writer;
  }

  struct Axis {
    JsonWriter first = Array();
    JsonWriter step = Array();
    JsonWriter all = Object();  // of the rows that are on no line
    double liked = 0;           // the last row's step
  };

  void AddPlaces(std::span<const SeatInfo* const> seats, float (SeatInfo::*coordinate)() const, Axis& axis) {
    std::vector<double> places;
    for (const SeatInfo* seat : seats) places.push_back(static_cast<double>((seat->*coordinate)()));
    if (const std::optional<Line> line = FitLine(places, axis.liked)) {
      Put(axis.first, line->first);
      Put(axis.step, line->step);
      if (places.size() > 1) axis.liked = line->step;
      return;
    }
    axis.first.Null();
    axis.step.Null();
    axis.all.Key(fmt::to_string(row_)).BeginArray();
    for (const double place : places) {
      if (std::isfinite(place)) {
        Put(axis.all, place);
      } else {
        axis.all.Null();
      }
    }
    axis.all.EndArray();
  }

  size_t row_ = 0;
  std::vector<std::string> sections_;
  std::vector<std::pair<std::string, int64_t>> prices_;
  JsonWriter section_ = Array();
  JsonWriter name_ = Array();
  JsonWriter seats_ = Array();
  JsonWriter number_ = Array();
  JsonWriter price_ = Array();
  JsonWriter all_numbers_ = Object();
  JsonWriter all_prices_ = Object();
  Axis x_;
  Axis y_;
};

}  // namespace

std::optional<Line> FitLine(std::span<const double> places, double liked) {
  if (!std::ranges::all_of(places,
                           [](double place) { return std::isfinite(place) && std::floor(place) == place; }))
    return std::nullopt;
  const auto [low, high] = StepsThrough(places);
  if (low < liked && liked < high) {
    if (const std::optional<Line> line = LineOfStep(places, liked)) return line;
  }
  const std::optional<double> step = low < high ? Shortest(low, high) : std::nullopt;
  return step ? LineOfStep(places, *step) : std::nullopt;
}

std::string RenderRows(const seat::v1::SeatMap& map) {
  Columns columns;
  std::vector<const SeatInfo*> row;
  JsonWriter accessible;
  JsonWriter companions;
  accessible.BeginArray();
  companions.BeginArray();
  for (const SeatInfo& seat : map.layout()) {
    const bool same =
        row.empty() || (row.front()->section() == seat.section() && row.front()->row() == seat.row());
    if (!same) {
      columns.Add(row);
      row.clear();
    }
    row.push_back(&seat);
    if (seat.accessible()) accessible.Value(seat.seat_no());
    if (seat.companion_of() != 0)
      companions.BeginArray().Value(seat.seat_no()).Value(seat.companion_of()).EndArray();
  }
  if (!row.empty()) columns.Add(row);
  return fmt::format(R"({},"accessible":{},"companions":{})", columns.Take(), accessible.EndArray().Take(),
                     companions.EndArray().Take());
}

}  // namespace boxoffice::gateway
