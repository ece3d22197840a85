// How the waiting room lies in Redis: keys, and the bytes of rows. All of a show has the hash tag {show:ID},
// hence one slot:
//
//   {show:7}:show         hash: version, stamp, state, rate, cap, opens, last, head, completed, expired,
//   left,
//                         admitted, purged; of a draw seed, first, entrants, drawn
//   {show:7}:session:12   hash: the sequences 12 · 128 … 12 · 128 + 127, by the last seven bits
//   {show:7}:binding:12   hash: of those among them that name a saga, the saga and its reservation
//   {show:7}:member       set: sequences that are ACTIVE, or EXPIRED while bound
//   {show:7}:saga         sorted set, all of score 0: what became of sagas, by their ids
//   queue:shows           set: the ids of all shows
//   queue:leader          string, which expires: the process that serves (store_redis_leader.h)
//
// A hash of up to 128 short fields is one block of bytes in Redis (a listpack), which is why sessions lie in
// buckets, and their bindings, which would make them too long for that, beside them. Measured with Redis 7.0
// and names of 36 bytes (a UUID): 53 bytes for a person who waits, where a key each would take about 200.
//
// Sessions, bindings, members and sagas go 26 h after the last write to their key: by then every token of
// theirs has ended (session.h), and with it every way to name them. A save writes only what has changed of a
// session, and that is late enough: the row and the member when it gets in, the binding after that, and the
// token ends at most 24 h later. Purge is there for the rest: what has ended goes after 25 h though its
// neighbours are still written to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "services/queue/session.h"

namespace boxoffice::queue {

inline constexpr std::string_view kShowsKey = "queue:shows";
inline constexpr milliseconds kKeyLife = kTokenLife + milliseconds(2 * 3'600'000);
inline constexpr uint64_t kBucketSize = 128;  // Redis's own default for hash-max-listpack-entries

[[nodiscard]] std::string KeyOf(int64_t show_id, std::string_view part);
[[nodiscard]] std::string BucketKey(int64_t show_id, std::string_view part, uint64_t bucket);
[[nodiscard]] constexpr uint64_t BucketOf(uint64_t sequence) { return sequence / kBucketSize; }
[[nodiscard]] std::string FieldOf(uint64_t sequence);

// A session without show, sequence and binding: state, joined_at, and once it has been called admitted_at and
// ended_at, then the name.
[[nodiscard]] std::string PackSession(const Session& session);
// Fills in what PackSession wrote; false: the bytes are not such a row.
[[nodiscard]] bool UnpackSession(std::string_view bytes, Session& session);

[[nodiscard]] std::string PackBinding(const Session& session);
[[nodiscard]] bool UnpackBinding(std::string_view bytes, Session& session);

// Begins with the saga's 16 bytes, by which it is found.
[[nodiscard]] std::string PackSaga(const SagaRecord& record);
// What all sagas that were made at `time` or later are not before.
[[nodiscard]] std::string SagaIdsFrom(Timestamp time);
[[nodiscard]] std::optional<SagaRecord> UnpackSaga(std::string_view bytes, int64_t show_id);

}  // namespace boxoffice::queue
