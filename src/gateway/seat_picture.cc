#include <array>

#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"
#include "gateway/render.h"
#include "gateway/seat_maps.h"
#include "gateway/seat_rows.h"
#include "platform/auth/base64url.h"
#include "platform/http/json_writer.h"

namespace boxoffice::gateway {
namespace {

constexpr std::array<std::string_view, 4> kStates = {"free", "held", "sold", "blocked"};
// With their quotes, padded to the same length: JSON allows the spaces, and a state can be changed in place.
constexpr std::array<std::string_view, 4> kPadded = {"\"free\"   ", "\"held\"   ", "\"sold\"   ",
                                                     "\"blocked\""};
constexpr size_t kPaddedSize = 9;

unsigned StateOf(std::string_view states, size_t seat) {
  return seat / 4 < states.size() ? static_cast<unsigned char>(states[seat / 4]) >> (seat % 4 * 2) & 3U : 0U;
}

}  // namespace

SeatPicture::SeatPicture(const seat::v1::SeatMap& map)
    : show_id_(map.show_id()),
      asked_version_(map.version()),
      layout_version_(map.layout_version()),
      states_(map.states()),
      rows_(RenderRows(map)) {
  RenderLayout(map);
  TakeCounts(map);
}

void SeatPicture::RenderLayout(const seat::v1::SeatMap& map) {
  http::JsonWriter writer;
  state_at_.reserve(static_cast<size_t>(map.layout_size()));
  for (const seat::v1::SeatInfo& seat : map.layout()) {
    writer.BeginObject().Field("seat_no", seat.seat_no()).Field("label", seat.label());
    writer.Field("section", seat.section()).Field("row", seat.row()).Field("number", seat.number());
    writer.Field("category", seat.category()).Field("price", seat.price());
    WriteDouble(writer, "x", static_cast<double>(seat.x()));
    WriteDouble(writer, "y", static_cast<double>(seat.y()));
    // Few seats are either, and a stadium's map is large.
    if (seat.accessible()) writer.Field("accessible", true);
    if (seat.companion_of() != 0) writer.Field("companion_of", seat.companion_of());
    writer.Key("state");
    const size_t at = writer.text().size();
    CHECK(at < UINT32_MAX);
    writer.Raw(kPadded[StateOf(states_, state_at_.size())]).EndObject();
    state_at_.push_back(static_cast<uint32_t>(at));
  }
  items_ = writer.Take();
}

// Whether it tells the same as this picture, but for the version's number.
bool SeatPicture::Tells(const seat::v1::SeatMap& map) const {
  return map.states() == states_ && map.free() == free_ && map.held() == held_ && map.sold() == sold_ &&
         map.blocked() == blocked_ && map.next_release_at_ms() == next_release_at_ms_;
}

void SeatPicture::TakeCounts(const seat::v1::SeatMap& map) {
  version_ = map.version();
  free_ = map.free();
  held_ = map.held();
  sold_ = map.sold();
  blocked_ = map.blocked();
  next_release_at_ms_ = map.next_release_at_ms();
  // Of all that Tells compares. Without the version, which is each replica's own, and here that of the answer
  // which this thread happened to get: a client that comes back on another thread has the map all the same.
  const std::string counts =
      fmt::format("{} {} {} {} {}", free_, held_, sold_, blocked_, next_release_at_ms_);
  tag_ = fmt::format("{}-{:016x}", layout_version_, Fnv1a(counts, Fnv1a(states_)));
  bodies_.fill(nullptr);
  snapshot_ = nullptr;
}

void SeatPicture::Patch(size_t seat, unsigned state) {
  items_.replace(state_at_[seat], kPaddedSize, kPadded[state]);
}

void SeatPicture::Update(const seat::v1::SeatMap& map) {
  asked_version_ = map.version();
  if (Tells(map)) return;
  std::vector<std::pair<size_t, unsigned>> changes;
  const std::string& states = map.states();
  for (size_t byte = 0; byte < states.size(); ++byte) {
    if (byte < states_.size() && states[byte] == states_[byte]) continue;
    for (size_t seat = byte * 4; seat < std::min(byte * 4 + 4, state_at_.size()); ++seat) {
      const unsigned state = StateOf(states, seat);
      if (state == StateOf(states_, seat)) continue;
      Patch(seat, state);
      changes.emplace_back(seat, state);
    }
  }
  states_ = states;
  Step step{tag_, nullptr};
  TakeCounts(map);
  if (changes.size() <= kMaxChanges) {
    http::JsonWriter writer;
    writer.BeginObject();
    WriteCounts(writer);
    writer.Key("changes").BeginArray();
    for (const auto& [seat, state] : changes) {
      writer.BeginObject().Field("seat_no", seat + 1).Field("state", kStates[state]).EndObject();
    }
    writer.EndArray().EndObject();
    step.event = std::make_shared<const std::string>(http::FormatSseEvent("seats", tag_, writer.text()));
  }
  steps_.push_back(std::move(step));
  if (steps_.size() > kMaxSteps) steps_.pop_front();
}

void SeatPicture::WriteCounts(http::JsonWriter& writer) const {
  writer.Field("version", version_).Field("free", free_).Field("held", held_).Field("sold", sold_);
  writer.Field("blocked", blocked_).Field("layout_version", layout_version_);
  WriteTime(writer, "next_release_at", next_release_at_ms_);
}

std::shared_ptr<const std::string> SeatPicture::Body(Form form) {
  std::shared_ptr<const std::string>& body = bodies_[static_cast<size_t>(form)];
  if (body == nullptr)
    body = std::make_shared<const std::string>(form == Form::kList ? RenderList() : RenderMap());
  return body;
}

std::string SeatPicture::RenderList() const {
  http::JsonWriter writer;
  writer.BeginObject();
  WriteNumberId(writer, "show_id", show_id_);
  WriteCounts(writer);
  std::string body = writer.Take();
  constexpr std::string_view kBegin = ",\"items\":[";
  constexpr std::string_view kEnd = "],\"next_cursor\":null}";
  body.reserve(body.size() + kBegin.size() + items_.size() + kEnd.size());
  body.append(kBegin).append(items_).append(kEnd);
  return body;
}

std::string SeatPicture::RenderMap() const {
  http::JsonWriter writer;
  writer.BeginObject();
  WriteNumberId(writer, "show_id", show_id_);
  WriteCounts(writer);
  writer.Field("states", auth::EncodeBase64Url(states_));
  return fmt::format("{},{}}}", writer.text(), rows_);
}

std::shared_ptr<const std::string> SeatPicture::Snapshot() {
  if (snapshot_ != nullptr) return snapshot_;
  http::JsonWriter writer;
  writer.BeginObject();
  WriteCounts(writer);
  writer.Field("states", auth::EncodeBase64Url(states_)).EndObject();
  snapshot_ = std::make_shared<const std::string>(http::FormatSseEvent("snapshot", tag_, writer.text()));
  return snapshot_;
}

std::vector<std::shared_ptr<const std::string>> SeatPicture::EventsSince(std::string_view tag) {
  std::vector<std::shared_ptr<const std::string>> events;
  if (tag == tag_) return events;
  size_t first = steps_.size();
  while (first > 0 && steps_[first - 1].from_tag != tag) --first;
  bool whole = first > 0;
  for (size_t i = first - 1; whole && i < steps_.size(); ++i) {
    whole = steps_[i].event != nullptr;
    events.push_back(steps_[i].event);
  }
  if (!whole) events = {Snapshot()};
  return events;
}

}  // namespace boxoffice::gateway
