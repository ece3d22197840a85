#include "services/seat/plan_grid.h"

#include <algorithm>

#include <fmt/format.h>

namespace boxoffice::seat {
namespace {

std::unexpected<Error> Invalid(std::string detail) {
  return Fail(Code::kInvalidArgument, "seating_plan_invalid", std::move(detail));
}

Result<void> CheckRange(size_t section, std::string_view member, uint32_t value, uint32_t most) {
  if (value >= 1 && value <= most) return {};
  return Invalid(fmt::format("grid[{}].{}: {} is not within 1 and {}", section, member, value, most));
}

// By the names of here: of a plan's, whoever sent a grid knows nothing.
Result<void> CheckName(size_t section, std::string_view member, std::string_view name) {
  const std::string fault = NameFault(name);
  if (!fault.empty()) return Invalid(fmt::format("grid[{}].{}: {}", section, member, fault));
  return {};
}

}  // namespace

Result<SeatingPlan> MakeGridPlan(std::span<const GridSection> sections) {
  if (sections.empty()) return Invalid("grid: there is no section");
  if (sections.size() > kMaxGridSections) {
    return Invalid(
        fmt::format("grid: {} sections, at most {} are possible", sections.size(), kMaxGridSections));
  }
  uint64_t seats = 0;
  for (size_t i = 0; i < sections.size(); ++i) {
    if (!sections[i].name.empty()) BOXOFFICE_TRY(CheckName(i, "name", sections[i].name));
    BOXOFFICE_TRY(CheckName(i, "category", sections[i].category));
    BOXOFFICE_TRY(CheckRange(i, "rows", sections[i].rows, kMaxGridRows));
    BOXOFFICE_TRY(CheckRange(i, "seats_per_row", sections[i].seats_per_row, kMaxGridSeats));
    if (uint64_t{sections[i].accessible} * 2 > sections[i].seats_per_row) {
      return Invalid(fmt::format("grid[{}].accessible: {} seats with a companion's each are more than {}", i,
                                 sections[i].accessible, sections[i].seats_per_row));
    }
    seats += uint64_t{sections[i].rows} * sections[i].seats_per_row;
  }
  if (seats > kMaxSeats)
    return Invalid(fmt::format("grid: {} seats, at most {} are possible", seats, kMaxSeats));
  SeatingPlan plan;
  double y = 0;
  for (const GridSection& section : sections) {
    const bool known = std::ranges::any_of(
        plan.categories, [&](const PlanCategory& category) { return category.name == section.category; });
    if (!known) plan.categories.push_back({section.category, ""});
    PlanZone& zone = plan.zones.emplace_back(PlanZone{section.name, {}});
    for (uint32_t row = 1; row <= section.rows; ++row) {
      y += 1;
      PlanRow& made = zone.rows.emplace_back(PlanRow{std::to_string(row), {}});
      for (uint32_t seat = 1; seat <= section.seats_per_row; ++seat) {
        const double x = seat - (section.seats_per_row + 1) / 2.0;
        const auto guid = [&](uint32_t number) {
          return fmt::format("{}/{}/{}", plan.zones.size(), row, number);
        };
        const bool marked = row == 1 && seat <= 2 * section.accessible;
        const bool accessible = marked && seat % 2 == 1;
        made.seats.push_back({guid(seat), std::to_string(seat), section.category, x, y, accessible,
                              marked && !accessible ? guid(seat - 1) : std::string()});
      }
    }
    y += 1;
  }
  return plan;
}

}  // namespace boxoffice::seat
