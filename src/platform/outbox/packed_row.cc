#include "platform/outbox/packed_row.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/big_endian.h"

namespace boxoffice::outbox {
namespace {

constexpr char kForm = 1;
constexpr size_t kIdBytes = 16;

void AppendText(std::string& out, std::string_view text) {
  AppendBigEndian(out, static_cast<uint32_t>(text.size()));
  out.append(text);
}

size_t PackedBytes(const bus::Event& event) {
  return kIdBytes + sizeof(int64_t) + 5 * sizeof(uint32_t) + event.topic.size() + event.key.size() +
         event.type.size() + event.traceparent.size() + event.body.size();
}

// Takes from the front of what is left; once that is too little, everything is empty.
class Unpacker {
 public:
  explicit Unpacker(std::string_view left) : left_(left) {}

  std::string_view Bytes(size_t count) {
    good_ = good_ && count <= left_.size();
    if (!good_) return {};
    const std::string_view bytes = left_.substr(0, count);
    left_.remove_prefix(count);
    return bytes;
  }
  template <typename T>
  T Number() {
    const std::string_view bytes = Bytes(sizeof(T));
    return good_ ? ReadBigEndian<T>(bytes) : 0;
  }
  std::string_view Text() { return Bytes(Number<uint32_t>()); }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool done() const { return good_ && left_.empty(); }

 private:
  std::string_view left_;
  bool good_ = true;
};

}  // namespace

std::vector<PackedRow> Pack(std::span<const bus::Event> events) {
  std::vector<PackedRow> rows;
  for (const bus::Event& event : events) {
    if (rows.empty() || rows.back().body.size() + PackedBytes(event) > kMaxRowBytes) {
      rows.emplace_back().body.reserve(std::max(kMaxRowBytes, PackedBytes(event) + 1));
      rows.back().body.push_back(kForm);
    }
    PackedRow& row = rows.back();
    ++row.events;
    row.oldest = std::min(row.oldest, event.time);
    row.body.append(event.id.bytes());
    AppendBigEndian(row.body, ToUnixMs(event.time));
    for (const std::string* text : {&event.topic, &event.key, &event.type, &event.traceparent, &event.body})
      AppendText(row.body, *text);
  }
  return rows;
}

Result<void> Unpack(std::string_view body, size_t count, std::vector<bus::Event>& events, size_t first) {
  Unpacker packed(body);
  bool good = packed.Bytes(1) == std::string_view(&kForm, 1);
  for (size_t i = first; good && i < first + count; ++i) {
    if (events.size() <= i) events.emplace_back();
    bus::Event& event = events[i];
    const std::optional<EventId> id = EventId::FromBytes(packed.Bytes(kIdBytes));
    event.time = FromUnixMs(packed.Number<int64_t>());
    for (std::string* text : {&event.topic, &event.key, &event.type, &event.traceparent, &event.body})
      *text = packed.Text();
    good = id.has_value() && packed.good();
    if (id) event.id = *id;
  }
  if (good && packed.done()) return {};
  return Fail(Code::kInternal, "outbox_row_damaged",
              fmt::format("{} bytes are not {} events", body.size(), count));
}

}  // namespace boxoffice::outbox
