#include "services/queue/store_redis_row.h"

#include <fmt/format.h>

#include "base/big_endian.h"

namespace boxoffice::queue {
namespace {

constexpr size_t kNumberBytes = 6;  // 48 bits: milliseconds for 8,900 years, sequences for ever
constexpr size_t kIdBytes = 16;

void PutNumber(std::string& bytes, uint64_t number) {
  AppendBigEndian<uint64_t, kNumberBytes>(bytes, number);
}
void PutTime(std::string& bytes, Timestamp time) { PutNumber(bytes, static_cast<uint64_t>(ToUnixMs(time))); }

// Reads from the front; whether there was enough is known by the sizes that are checked before.
uint64_t TakeNumber(std::string_view& bytes) {
  const auto number = ReadBigEndian<uint64_t, kNumberBytes>(bytes);
  bytes.remove_prefix(kNumberBytes);
  return number;
}
Timestamp TakeTime(std::string_view& bytes) { return FromUnixMs(static_cast<int64_t>(TakeNumber(bytes))); }
template <typename IdType>
IdType TakeId(std::string_view& bytes) {
  const auto id = IdType::FromBytes(bytes.substr(0, kIdBytes));
  bytes.remove_prefix(kIdBytes);
  return id.value_or(IdType());
}

}  // namespace

std::string KeyOf(int64_t show_id, std::string_view part) {
  return fmt::format("{{show:{}}}:{}", show_id, part);
}
std::string BucketKey(int64_t show_id, std::string_view part, uint64_t bucket) {
  return fmt::format("{{show:{}}}:{}:{}", show_id, part, bucket);
}
std::string FieldOf(uint64_t sequence) { return fmt::to_string(sequence % kBucketSize); }

std::string PackSession(const Session& session) {
  std::string bytes;
  bytes.reserve(1 + 3 * kNumberBytes + session.user_id.size());
  bytes += static_cast<char>(session.state);
  PutTime(bytes, session.joined_at);
  if (session.state != SessionState::kWaiting) {
    PutTime(bytes, session.admitted_at);
    PutTime(bytes, session.ended_at);
  }
  return bytes += session.user_id;
}

bool UnpackSession(std::string_view bytes, Session& session) {
  if (bytes.size() < 1 + kNumberBytes || bytes[0] < 1 || bytes[0] > 4) return false;
  session.state = static_cast<SessionState>(bytes[0]);
  bytes.remove_prefix(1);
  session.joined_at = TakeTime(bytes);
  if (session.state != SessionState::kWaiting) {
    if (bytes.size() < 2 * kNumberBytes) return false;
    session.admitted_at = TakeTime(bytes);
    session.ended_at = TakeTime(bytes);
  }
  session.user_id = bytes;
  return !session.user_id.empty();
}

std::string PackBinding(const Session& session) {
  return std::string(session.saga.bytes()).append(session.reservation.bytes());
}

bool UnpackBinding(std::string_view bytes, Session& session) {
  if (bytes.size() != 2 * kIdBytes) return false;
  session.saga = TakeId<SagaId>(bytes);
  session.reservation = TakeId<ReservationId>(bytes);
  return true;
}

std::string PackSaga(const SagaRecord& record) {
  std::string bytes(record.saga.bytes());
  bytes += static_cast<char>(record.ending);
  PutNumber(bytes, record.session.sequence);
  bytes += record.reservation.bytes();
  PutTime(bytes, record.recorded_at);
  return bytes;
}

std::string SagaIdsFrom(Timestamp time) {
  std::string bytes;
  PutTime(bytes, time);
  return bytes;
}

std::optional<SagaRecord> UnpackSaga(std::string_view bytes, int64_t show_id) {
  if (bytes.size() != kIdBytes + 1 + kNumberBytes + kIdBytes + kNumberBytes) return std::nullopt;
  SagaRecord record{.saga = TakeId<SagaId>(bytes), .session = {.show_id = show_id}};
  record.ending = static_cast<SagaEnding>(bytes[0]);
  bytes.remove_prefix(1);
  record.session.sequence = TakeNumber(bytes);
  record.reservation = TakeId<ReservationId>(bytes);
  record.recorded_at = TakeTime(bytes);
  return record;
}

}  // namespace boxoffice::queue
