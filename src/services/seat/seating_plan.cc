#include "services/seat/seating_plan.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/text.h"

namespace boxoffice::seat {
namespace {

constexpr double kMaxPlace = 1e6;  // of a coordinate, either way: a float holds it, and no drawing needs more

std::unexpected<Error> Invalid(std::string detail) {
  return Fail(Code::kInvalidArgument, "seating_plan_invalid", std::move(detail));
}

Result<void> CheckName(std::string_view name, std::string_view what, const std::string& path) {
  const std::string fault = NameFault(name);
  if (!fault.empty()) return Invalid(fmt::format("{}: the {} {}", path, what, fault));
  return {};
}

// Gives names that are not yet taken within one parent.
class UniqueNames {
 public:
  std::string Take(std::string_view name) {
    std::string unique(name);
    // From where the last of this name got to: a row of 100,000 seats of one number takes no hour.
    uint32_t& n = taken_[unique];
    while (n > 0) {
      unique = fmt::format("{} ({})", name, ++n);
      if (taken_.try_emplace(unique, 1).second) return unique;
    }
    n = 1;
    return unique;
  }

 private:
  std::unordered_map<std::string, uint32_t> taken_;  // how far each has been counted
};

class LayoutBuilder {
 public:
  LayoutBuilder(const SeatingPlan& plan, const Prices& prices) : plan_(plan), prices_(prices) {}

  Result<Layout> Build() {
    BOXOFFICE_TRY(CheckSize());
    BOXOFFICE_TRY(AddCategories());
    UniqueNames zone_names;
    for (size_t i = 0; i < plan_.zones.size(); ++i) BOXOFFICE_TRY(AddZone(i, zone_names));
    BOXOFFICE_TRY(CheckLabels());
    BOXOFFICE_TRY(MarkSeats());
    layout_.NotePlaces();
    return std::move(layout_);
  }

 private:
  Result<void> CheckSize() const {
    if (plan_.zones.empty()) return Invalid("zones: there is no zone");
    size_t seats = 0;
    for (const PlanZone& zone : plan_.zones) {
      for (const PlanRow& row : zone.rows) seats += row.seats.size();
    }
    if (seats == 0) return Invalid("zones: there is no seat");
    if (seats > kMaxSeats) {
      return Invalid(fmt::format("zones: {} seats, at most {} are possible", seats, kMaxSeats));
    }
    return {};
  }

  Result<void> AddCategories() {
    for (size_t i = 0; i < plan_.categories.size(); ++i) {
      const PlanCategory& category = plan_.categories[i];
      const std::string path = fmt::format("categories[{}].name", i);
      BOXOFFICE_TRY(CheckName(category.name, "name", path));
      if (!category_index_.emplace(category.name, static_cast<uint32_t>(i)).second) {
        return Invalid(fmt::format("{}: \"{}\" is there twice", path, category.name));
      }
      const auto price = prices_.find(category.name);
      if (price == prices_.end()) {
        return Fail(Code::kInvalidArgument, "price_invalid",
                    fmt::format("prices: category \"{}\" has none", category.name));
      }
      if (price->second <= 0 || price->second > kMaxPrice) {
        return Fail(
            Code::kInvalidArgument, "price_invalid",
            fmt::format("prices.{}: {} is not within 1 and {}", category.name, price->second, kMaxPrice));
      }
      layout_.categories.push_back({category.name, category.color, price->second, 0});
    }
    for (const auto& [name, price] : prices_) {
      if (!category_index_.contains(name)) {
        return Fail(Code::kInvalidArgument, "price_invalid",
                    fmt::format("prices.{}: the plan has no such category", name));
      }
    }
    return {};
  }

  Result<void> AddZone(size_t index, UniqueNames& zone_names) {
    const PlanZone& zone = plan_.zones[index];
    const std::string path = fmt::format("zones[{}]", index);
    const std::string name = zone.name.empty() ? fmt::format("Zone {}", index + 1) : zone.name;
    BOXOFFICE_TRY(CheckName(name, "name", path + ".name"));
    layout_.sections.push_back({zone_names.Take(name), static_cast<uint32_t>(layout_.rows.size()), 0});
    UniqueNames row_names;
    for (size_t i = 0; i < zone.rows.size(); ++i) {
      if (zone.rows[i].seats.empty()) continue;
      BOXOFFICE_TRY(AddRow(zone.rows[i], fmt::format("{}.rows[{}]", path, i), row_names));
    }
    layout_.sections.back().rows =
        static_cast<uint32_t>(layout_.rows.size()) - layout_.sections.back().first_row;
    return {};
  }

  Result<void> AddRow(const PlanRow& row, const std::string& path, UniqueNames& row_names) {
    BOXOFFICE_TRY(CheckName(row.name, "row_number", path + ".row_number"));
    const auto row_index = static_cast<uint32_t>(layout_.rows.size());
    layout_.rows.push_back({row_names.Take(row.name), static_cast<uint32_t>(layout_.sections.size() - 1),
                            layout_.capacity(), static_cast<uint32_t>(row.seats.size())});
    UniqueNames numbers;
    for (size_t i = 0; i < row.seats.size(); ++i) {
      const PlanSeat& seat = row.seats[i];
      const auto seat_path = [&] { return fmt::format("{}.seats[{}]", path, i); };
      if (!NameFault(seat.number).empty()) {
        BOXOFFICE_TRY(CheckName(seat.number, "seat_number", seat_path() + ".seat_number"));
      }
      if (seat.guid.empty()) return Invalid(seat_path() + ".seat_guid: is empty");
      if (!guids_.emplace(seat.guid, layout_.capacity() + 1).second) {
        return Invalid(fmt::format("{}.seat_guid: \"{}\" is there twice", seat_path(), seat.guid));
      }
      const auto category = category_index_.find(seat.category);
      if (category == category_index_.end()) {
        return Invalid(fmt::format("{}.category: \"{}\" is not among the plan's categories", seat_path(),
                                   seat.category));
      }
      if (!(std::abs(seat.x) <= kMaxPlace && std::abs(seat.y) <= kMaxPlace)) {  // nor no number at all
        return Invalid(fmt::format("{}.position: is further out than {}", seat_path(), kMaxPlace));
      }
      ++layout_.categories[category->second].seats;
      layout_.seats.push_back({numbers.Take(seat.number), row_index, category->second,
                               static_cast<float>(seat.x), static_cast<float>(seat.y)});
    }
    return {};
  }

  Result<void> MarkSeats() {
    std::vector<std::pair<const PlanSeat*, std::string>> companions;
    SeatNo seat_no = 0;
    for (size_t zone = 0; zone < plan_.zones.size(); ++zone) {
      const std::vector<PlanRow>& rows = plan_.zones[zone].rows;
      for (size_t row = 0; row < rows.size(); ++row) {
        for (size_t i = 0; i < rows[row].seats.size(); ++i) {
          const PlanSeat& seat = rows[row].seats[i];
          ++seat_no;
          if (seat.accessible) layout_.accessible.push_back(seat_no);
          if (seat.companion_of.empty()) continue;
          companions.emplace_back(&seat,
                                  fmt::format("zones[{}].rows[{}].seats[{}].companion_of", zone, row, i));
        }
      }
    }
    for (const auto& [seat, path] : companions) {
      if (seat->accessible) return Invalid(path + ": the seat is accessible itself");
      const auto of = guids_.find(seat->companion_of);
      if (of == guids_.end() || !std::ranges::binary_search(layout_.accessible, of->second)) {
        return Invalid(fmt::format("{}: \"{}\" is no accessible seat", path, seat->companion_of));
      }
      layout_.companions.push_back({guids_.at(seat->guid), of->second});
    }
    return {};
  }

  // Names are unique within their parents, but "A 1-2" and "3" reads as "A 1" and "2-3".
  Result<void> CheckLabels() const {
    std::unordered_set<std::string> labels;
    labels.reserve(layout_.capacity());
    for (SeatNo seat_no = 1; seat_no <= layout_.capacity(); ++seat_no) {
      std::string label = layout_.LabelOf(seat_no);
      if (!labels.insert(label).second) {
        return Invalid(fmt::format("zones: two seats would be labelled \"{}\"", label));
      }
    }
    return {};
  }

  const SeatingPlan& plan_;
  const Prices& prices_;
  Layout layout_;
  std::unordered_map<std::string_view, uint32_t> category_index_;
  std::unordered_map<std::string_view, SeatNo> guids_;
};

}  // namespace

std::string NameFault(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kMaxPlanName) return fmt::format("is longer than {} bytes", kMaxPlanName);
  if (HasControl(name)) return "has a control character";
  return {};
}

Result<Layout> MakeLayout(const SeatingPlan& plan, const Prices& prices) {
  return LayoutBuilder(plan, prices).Build();
}

}  // namespace boxoffice::seat
