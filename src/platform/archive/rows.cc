#include "platform/archive/rows.h"

#include <bit>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <openssl/sha.h>

#include "base/check.h"

namespace boxoffice::archive {
namespace {

constexpr size_t kPortionRows = 1'000;
constexpr size_t kPortionBytes = 1 << 20;

void AppendNumber(std::string& bytes, uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(number >> shift);
}

// Unambiguous: no two different values have the same bytes.
void AppendValue(std::string& bytes, const Value& value) {
  bytes += static_cast<char>(value.index());
  if (const auto* number = std::get_if<int64_t>(&value)) {
    AppendNumber(bytes, static_cast<uint64_t>(*number));
  } else if (const auto* real = std::get_if<double>(&value)) {
    AppendNumber(bytes, std::bit_cast<uint64_t>(*real));
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    AppendNumber(bytes, text->size());
    bytes += *text;
  }
}

}  // namespace

Result<void> Portions::Add(Row row) {
  for (const Value& value : row) {
    if (const auto* text = std::get_if<std::string>(&value)) bytes_ += text->size();
  }
  rows_.push_back(std::move(row));
  if (rows_.size() < kPortionRows && bytes_ < kPortionBytes) return {};
  return Flush();
}

Result<void> Portions::Flush() {
  if (!rows_.empty()) BOXOFFICE_TRY(sink_.Add(rows_));
  rows_.clear();
  bytes_ = 0;
  return {};
}

Result<void> Digest::Begin(const Table& table) {
  table_.clear();
  AppendNumber(table_, table.name.size());
  table_ += table.name;
  return {};
}

Result<void> Digest::Add(std::span<const Row> rows) {
  std::string bytes;
  for (const Row& row : rows) {
    bytes = table_;
    for (const Value& value : row) AppendValue(bytes, value);
    std::array<uint64_t, 4> hash{};
    static_assert(sizeof hash == SHA256_DIGEST_LENGTH);
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(hash.data()));
    for (size_t i = 0; i < hash.size(); ++i) sum_[i] += hash[i];
    ++rows_;
  }
  return {};
}

std::string Digest::ToHex() const {
  return fmt::format("{:x}-{:016x}{:016x}{:016x}{:016x}", rows_, sum_[0], sum_[1], sum_[2], sum_[3]);
}

Result<Digest> DigestOf(const Dump& dump) {
  Digest digest;
  BOXOFFICE_TRY(dump(digest));
  return digest;
}

}  // namespace boxoffice::archive
