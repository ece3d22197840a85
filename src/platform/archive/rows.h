// Rows of tables on their way from one store to another.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace boxoffice::archive {

// NULL, a whole number, a floating one, text or bytes.
using Value = std::variant<std::monostate, int64_t, double, std::string>;
using Row = std::vector<Value>;

struct Table {
  std::string name;
  std::vector<std::string> columns;
  bool operator==(const Table&) const = default;
};

// Where rows go. Not thread-safe.
class Sink {
 public:
  virtual ~Sink() = default;
  // The rows that come next are of this table. Each table comes once. Error: archive_schema
  // (kInvalidArgument: there is no such table here, or it has other columns), and the store's own.
  [[nodiscard]] virtual Result<void> Begin(const Table& table) = 0;
  // As many values in each row as the table has columns. Errors: archive_schema (a value that its column
  // can't hold), and the store's own.
  [[nodiscard]] virtual Result<void> Add(std::span<const Row> rows) = 0;
};

// Gives all that there is to a sink: the same each time. Errors: of the sink, and its own.
using Dump = std::function<Result<void>(Sink& sink)>;

// Gathers rows for a sink, into portions of some thousands or some megabytes.
class Portions {
 public:
  explicit Portions(Sink& sink) : sink_(sink) {}
  [[nodiscard]] Result<void> Add(Row row);
  [[nodiscard]] Result<void> Flush();

 private:
  Sink& sink_;
  std::vector<Row> rows_;
  size_t bytes_ = 0;
};

// Tells whether two sets of tables hold the same rows, in whatever order: how many, and the sum of their
// hashes.
class Digest final : public Sink {
 public:
  [[nodiscard]] Result<void> Begin(const Table& table) override;
  [[nodiscard]] Result<void> Add(std::span<const Row> rows) override;

  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] std::string ToHex() const;  // of rows and sum

 private:
  std::string table_;
  int64_t rows_ = 0;
  std::array<uint64_t, 4> sum_{};
};

// The digest of a dump.
[[nodiscard]] Result<Digest> DigestOf(const Dump& dump);

}  // namespace boxoffice::archive
