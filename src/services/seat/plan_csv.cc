#include "services/seat/plan_csv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_map>

#include <csv.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "services/seat/plan_pretix.h"

namespace boxoffice::seat {
namespace {

std::unexpected<Error> Invalid(std::string detail) {
  return Fail(Code::kInvalidArgument, "seating_plan_invalid", "seating_csv: " + std::move(detail));
}
std::unexpected<Error> InvalidLine(size_t line, std::string_view what) {
  return Invalid(fmt::format("line {}: {}", line, what));
}

struct Record {
  size_t line = 0;  // where it begins
  std::vector<std::string> fields;
};

// libcsv's callbacks; a line is given to it at a time, so that each record's is known.
struct Collector {
  size_t line = 1;
  Record open;
  std::vector<Record> records;
  static void TakeField(void* text, size_t size, void* self) {
    auto& collector = *static_cast<Collector*>(self);
    collector.open.fields.emplace_back(static_cast<const char*>(text), size);
  }
  static void TakeRecord(int /*end*/, void* self) {
    auto& collector = *static_cast<Collector*>(self);
    collector.records.push_back(std::move(collector.open));
    collector.open = {collector.line + 1, {}};
  }
};

class Parser {
 public:
  Parser() { csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI); }
  ~Parser() { csv_free(&parser_); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  Result<std::vector<Record>> Parse(std::string_view text) {
    Collector collector;
    collector.open.line = 1;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
      if (!in_record_) collector.open.line = collector.line;
      const size_t before = collector.records.size();
      const size_t read =
          csv_parse(&parser_, text.data(), end, &Collector::TakeField, &Collector::TakeRecord, &collector);
      if (read != end) return Unreadable(collector);
      const bool blank = text.substr(0, end).find_first_not_of(" \t\r\n") == std::string_view::npos;
      in_record_ = collector.records.size() == before && (in_record_ || !blank);
      ++collector.line;
      text.remove_prefix(end);
    }
    if (csv_fini(&parser_, &Collector::TakeField, &Collector::TakeRecord, &collector) != 0) {
      return Unreadable(collector);
    }
    return std::move(collector.records);
  }

 private:
  static std::unexpected<Error> Unreadable(const Collector& collector) {
    return InvalidLine(collector.open.line, "a quote is misplaced, or not closed");
  }
  csv_parser parser_{};
  bool in_record_ = false;  // a quoted field goes on in the next line
};

constexpr std::array<std::string_view, 8> kColumns = {"section", "row", "number",     "category",
                                                      "x",       "y",   "accessible", "companion_of"};
constexpr size_t kSection = 0;
constexpr size_t kRow = 1;
constexpr size_t kNumber = 2;
constexpr size_t kCategory = 3;
constexpr size_t kX = 4;
constexpr size_t kY = 5;
constexpr size_t kAccessible = 6;
constexpr size_t kCompanionOf = 7;

// Where each of kColumns stands in a record.
using Header = std::array<std::optional<size_t>, kColumns.size()>;

Result<Header> ReadHeader(const Record& record) {
  Header header;
  for (size_t i = 0; i < record.fields.size(); ++i) {
    const auto column = std::ranges::find(kColumns, record.fields[i]);
    if (column == kColumns.end()) {
      return InvalidLine(record.line, fmt::format("column \"{}\" is none of {}", record.fields[i],
                                                  fmt::join(kColumns, ", ")));
    }
    auto& place = header[static_cast<size_t>(column - kColumns.begin())];
    if (place) return InvalidLine(record.line, fmt::format("column \"{}\" is there twice", *column));
    place = i;
  }
  for (size_t column = 0; column < kColumns.size(); ++column) {
    const bool placed = column <= kY && (header[kX].has_value() || header[kY].has_value());
    const bool needed = column < kX || placed;
    if (needed && !header[column]) {
      return InvalidLine(record.line, fmt::format("column \"{}\" is missing", kColumns[column]));
    }
  }
  return header;
}

class PlanBuilder {
 public:
  explicit PlanBuilder(const Header& header) : header_(header) {}

  Result<void> Add(const Record& record) {
    for (const std::optional<size_t>& place : header_) {
      const auto column = static_cast<size_t>(&place - header_.data());
      if (!place || column >= kAccessible) continue;
      const std::string& text = record.fields[*place];
      std::string fault = column < kX ? NameFault(text) : std::string();
      if (text.empty()) fault = "is empty";
      if (!fault.empty()) return InvalidLine(record.line, fmt::format("the {} {}", kColumns[column], fault));
    }
    PlanSeat seat;
    seat.guid = std::to_string(record.line);
    seat.number = Field(record, kNumber);
    seat.category = Field(record, kCategory);
    if (header_[kX]) {
      BOXOFFICE_ASSIGN(seat.x, Coordinate(record, kX));
      BOXOFFICE_ASSIGN(seat.y, Coordinate(record, kY));
    }
    if (header_[kAccessible]) {
      BOXOFFICE_ASSIGN(seat.accessible, Flag(record, kAccessible));
    }
    const std::string& section = Field(record, kSection);
    const std::string& row = Field(record, kRow);
    const auto [known, is_new] = lines_.emplace(KeyOf(section, row, seat.number), record.line);
    if (!is_new) {
      return InvalidLine(record.line,
                         fmt::format("seat \"{}\" of row \"{}\" in section \"{}\" is there twice, "
                                     "first in line {}",
                                     seat.number, row, section, known->second));
    }
    if (categories_.emplace(seat.category, 0).second) plan_.categories.push_back({seat.category, ""});
    if (header_[kCompanionOf] && !Field(record, kCompanionOf).empty()) {
      companions_.push_back(
          {record.line, KeyOf(section, row, Field(record, kCompanionOf)), Field(record, kCompanionOf)});
    }
    PlaceOf(section, row).seats.push_back(std::move(seat));
    return {};
  }
  // Once all seats are known. Seats are found by their lines, which are their guids.
  Result<SeatingPlan> Take() {
    std::unordered_map<std::string, PlanSeat*> seats;
    for (PlanZone& zone : plan_.zones) {
      for (PlanRow& row : zone.rows) {
        for (PlanSeat& seat : row.seats) seats.emplace(seat.guid, &seat);
      }
    }
    for (const CompanionMark& mark : companions_) {
      const auto of = lines_.find(mark.key);
      PlanSeat& seat = *seats.at(std::to_string(mark.line));
      if (seat.accessible) return InvalidLine(mark.line, "companion_of: the seat is accessible itself");
      if (of == lines_.end() || !seats.at(std::to_string(of->second))->accessible) {
        return InvalidLine(mark.line,
                           fmt::format("companion_of: the row has no accessible seat \"{}\"", mark.number));
      }
      seat.companion_of = std::to_string(of->second);
    }
    return std::move(plan_);
  }

 private:
  struct CompanionMark {
    size_t line = 0;
    std::string key;  // in lines_
    std::string number;
  };

  // Of a seat, and of a row without its number. The lengths keep names with any bytes in them apart.
  static std::string KeyOf(std::string_view section, std::string_view row, std::string_view number = {}) {
    return fmt::format("{}:{}{}:{}{}", section.size(), section, row.size(), row, number);
  }

  [[nodiscard]] Result<bool> Flag(const Record& record, size_t column) const {
    const std::string& text = Field(record, column);
    if (text.empty() || text == "no" || text == "false" || text == "0") return false;
    if (text == "yes" || text == "true" || text == "1") return true;
    return InvalidLine(record.line, fmt::format("{}: \"{}\" is neither yes nor no", kColumns[column], text));
  }
  [[nodiscard]] const std::string& Field(const Record& record, size_t column) const {
    return record.fields[*header_[column]];
  }
  [[nodiscard]] Result<double> Coordinate(const Record& record, size_t column) const {
    const std::string& text = Field(record, column);
    const auto number = ParseNumber<double>(text);
    if (number && std::isfinite(*number)) return *number;
    return InvalidLine(record.line, fmt::format("{}: \"{}\" is not a number", kColumns[column], text));
  }
  PlanRow& PlaceOf(const std::string& section, const std::string& row) {
    const auto [zone, new_zone] = zones_.emplace(section, plan_.zones.size());
    if (new_zone) plan_.zones.push_back({section, {}});
    std::vector<PlanRow>& rows = plan_.zones[zone->second].rows;
    const auto [place, new_row] = rows_.emplace(KeyOf(section, row), rows.size());
    if (new_row) rows.push_back({row, {}});
    return rows[place->second];
  }

  const Header header_;
  SeatingPlan plan_;
  std::unordered_map<std::string, size_t> lines_;  // of each seat
  std::vector<CompanionMark> companions_;
  std::unordered_map<std::string, size_t> categories_;
  std::unordered_map<std::string, size_t> zones_;
  std::unordered_map<std::string, size_t> rows_;
};

}  // namespace

Result<SeatingPlan> ParseCsvPlan(std::string_view csv) {
  if (csv.size() > kMaxPlanBytes) {
    return Invalid(fmt::format("{} bytes, at most {} are possible", csv.size(), kMaxPlanBytes));
  }
  csv = WithoutByteOrderMark(csv);
  Parser parser;
  BOXOFFICE_ASSIGN(const std::vector<Record> records, parser.Parse(csv));
  if (records.empty()) return InvalidLine(1, "the names of the columns are missing");
  BOXOFFICE_ASSIGN(const Header header, ReadHeader(records[0]));
  if (records.size() == 1) return InvalidLine(records[0].line + 1, "there is no seat");
  PlanBuilder builder(header);
  for (size_t i = 1; i < records.size(); ++i) {
    const Record& record = records[i];
    if (i > kMaxSeats) {
      return InvalidLine(record.line, fmt::format("more than {} seats are not possible", kMaxSeats));
    }
    if (record.fields.size() != records[0].fields.size()) {
      return InvalidLine(record.line, fmt::format("{} fields, where there are {} columns",
                                                  record.fields.size(), records[0].fields.size()));
    }
    BOXOFFICE_TRY(builder.Add(record));
  }
  return builder.Take();
}

}  // namespace boxoffice::seat
