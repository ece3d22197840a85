// Values as PostgreSQL sends and takes them, in binary.
#include <bit>

#include <libpq-fe.h>

#include "base/big_endian.h"
#include "platform/sql/postgres.h"

namespace boxoffice::sql::pg {
namespace {

// NULL has no bytes and reads as 0.
template <typename T>
T FromNetwork(std::string_view bytes) {
  return bytes.empty() ? 0 : ReadBigEndian<T>(bytes);
}

}  // namespace

namespace internal {

void AppendInt32(std::string& out, int32_t value) { AppendBigEndian(out, value); }
void AppendInt64(std::string& out, int64_t value) { AppendBigEndian(out, value); }
void AppendDouble(std::string& out, double value) { AppendBigEndian(out, std::bit_cast<int64_t>(value)); }

// PostgreSQL's array_recv: dimensions, whether there are nulls (not used), type, then length and lower bound
// of the one dimension.
std::string ArrayHead(Type element, size_t count) {
  std::string head;
  AppendInt32(head, count == 0 ? 0 : 1);
  AppendInt32(head, 0);
  AppendInt32(head, static_cast<int32_t>(element));
  if (count == 0) return head;
  AppendInt32(head, static_cast<int32_t>(count));
  AppendInt32(head, 1);
  return head;
}

uint32_t ArrayOid(Type element) {
  switch (element) {
    case Type::kBool:
      return 1000;
    case Type::kBytes:
      return 1001;
    case Type::kInt:
      return 1016;
    case Type::kText:
      return 1009;
    case Type::kDouble:
      return 1022;
    case Type::kUuid:
      return 2951;
  }
  return 0;
}

}  // namespace internal

std::string_view Row::Raw(int column) const {
  return {PQgetvalue(result_, index_, column), static_cast<size_t>(PQgetlength(result_, index_, column))};
}

int64_t Row::Int(int column) const {
  const std::string_view raw = Raw(column);
  switch (PQftype(result_, column)) {
    case 20:
      return FromNetwork<int64_t>(raw);
    case 23:
      return FromNetwork<int32_t>(raw);
    case 21:
      return FromNetwork<int16_t>(raw);
    default:
      CHECK(false, "column {} has type {}, not an integer; cast it to bigint", PQfname(result_, column),
            PQftype(result_, column));
      return 0;
  }
}

bool Row::Bool(int column) const {
  CHECK(PQftype(result_, column) == 16, "column {} is not a boolean", PQfname(result_, column));
  const std::string_view raw = Raw(column);
  return !raw.empty() && raw[0] != 0;
}

double Row::Double(int column) const {
  CHECK(PQftype(result_, column) == 701, "column {} is not a float8", PQfname(result_, column));
  return std::bit_cast<double>(FromNetwork<int64_t>(Raw(column)));
}

std::string_view Row::Text(int column) const {
  const uint32_t type = PQftype(result_, column);
  CHECK(type == 25 || type == 17 || type == 1043, "column {} has type {}, not text or bytea",
        PQfname(result_, column), type);
  return Raw(column);
}

std::string_view Row::UuidBytes(int column) const {
  CHECK(PQftype(result_, column) == 2950, "column {} is not a uuid", PQfname(result_, column));
  return Raw(column);
}

bool Row::IsNull(int column) const { return PQgetisnull(result_, index_, column) == 1; }

void Rows::Clear::operator()(pg_result* result) const { PQclear(result); }
Rows::Rows(pg_result* result) : result_(result) {}
size_t Rows::size() const { return static_cast<size_t>(PQntuples(result_.get())); }
Row Rows::operator[](size_t index) const {
  CHECK(index < size(), "row {} of {}", index, size());
  return {result_.get(), static_cast<int>(index)};
}
int64_t Rows::affected() const {
  int64_t count = 0;
  for (const char* digit = PQcmdTuples(result_.get()); *digit != 0; ++digit)
    count = count * 10 + (*digit - '0');
  return count;
}

}  // namespace boxoffice::sql::pg
