#include "gateway/seat_maps.h"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/elsewhere.h"
#include "gateway/reconnect.h"

namespace boxoffice::gateway {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Counts a follower as long as it lives.
class Following {
 public:
  explicit Following(size_t& followers) : followers_(followers) { ++followers_; }
  ~Following() { --followers_; }
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;

 private:
  size_t& followers_;
};

}  // namespace

void SeatMaps::Stop() {
  stopping_ = true;
  for (const auto& [show_id, entry] : entries_) {
    entry->wake.cancel();
    entry->tick.cancel();
  }
}

std::shared_ptr<SeatMaps::Entry> SeatMaps::Find(int64_t show_id) {
  std::shared_ptr<Entry>& entry = entries_[show_id];
  const bool is_new = entry == nullptr;
  if (is_new) entry = std::make_shared<Entry>(backends_.executor());
  entry->use = ++uses_;
  while (is_new && EvictOldest()) continue;  // never the new one: who asks next would make another
  return entry;
}

bool SeatMaps::EvictOldest() {
  auto oldest = entries_.end();
  size_t idle = 0;
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->second->followers > 0 || it->second->asking) continue;
    ++idle;
    if (oldest == entries_.end() || it->second->use < oldest->second->use) oldest = it;
  }
  if (idle <= kMaxShows) return false;
  entries_.erase(oldest);
  return true;
}

asio::awaitable<void> SeatMaps::Refresh(int64_t show_id, std::shared_ptr<Entry> entry) {
  entry->asking = true;
  seat::v1::GetSeatMapRequest query;
  query.set_show_id(show_id);
  if (entry->picture != nullptr) {
    query.set_states_only(true);
    query.set_if_not_version(entry->picture->asked_version());
    query.set_layout_version(entry->picture->layout_version());
  }
  const std::string untraced;
  const auto start = [this](auto... arguments) { backends_.seat->async()->GetSeatMap(arguments...); };
  Result<seat::v1::SeatMap> map = co_await backends_.Ask<seat::v1::SeatMap>(query, untraced, start);
  // Of a show that is known, the layout comes when prices have changed: whoever follows gets a snapshot that
  // tells the layout's version.
  if (map && (entry->picture == nullptr || !map->layout().empty())) {
    const auto answer = std::make_shared<const seat::v1::SeatMap>(*std::move(map));
    const auto render = [answer] { return std::make_shared<SeatPicture>(*answer); };
    entry->picture = co_await RunElsewhere(pool_, backends_.executor(), render);
    entry->error = Error{};
  } else {
    if (map && map->version() != entry->picture->asked_version()) entry->picture->Update(*map);
    entry->error = map ? Error{} : map.error();
  }
  entry->asking = false;
  entry->checked = std::chrono::steady_clock::now();
  // Whoever asks for shows that don't exist must not fill the memory.
  if (entry->picture == nullptr && entry->followers == 0) {
    const auto kept = entries_.find(show_id);
    if (kept != entries_.end() && kept->second == entry) entries_.erase(kept);
  }
  entry->wake.cancel();
}

asio::awaitable<Result<std::shared_ptr<SeatPicture>>> SeatMaps::Get(int64_t show_id) {
  const std::shared_ptr<Entry> entry = Find(show_id);
  const bool stale = std::chrono::steady_clock::now() - entry->checked >= kFresh;
  if (entry->asking) {
    (void)co_await entry->wake.async_wait(kAwait);
  } else if (stale) {
    co_await Refresh(show_id, entry);
  }
  if (entry->picture == nullptr || !entry->error.reason.empty()) {
    Result<std::shared_ptr<SeatPicture>> failed = std::unexpected(entry->error);
    if (entry->error.reason.empty()) failed = Fail(Code::kUnavailable, "stopping");
    co_return failed;
  }
  co_return entry->picture;
}

Result<std::shared_ptr<const std::string>> SeatMaps::BodyOf(SeatPicture& picture, SeatPicture::Form form) {
  if (picture.kept(form) != nullptr) return picture.kept(form);
  size_t read = bodies_.Bytes();
  for (const auto& [show_id, entry] : entries_) {
    for (const SeatPicture::Form each : {SeatPicture::Form::kList, SeatPicture::Form::kRows}) {
      // Each was made below, so it is among them.
      if (entry->picture != nullptr && entry->picture->kept(each) != nullptr)
        read -= entry->picture->kept(each)->size();
    }
  }
  const size_t most = form == SeatPicture::Form::kList ? kMostRead : 2 * kMostRead;
  if (read > most)
    return Fail(Code::kResourceExhausted, "overloaded", "earlier seat maps are still being read");
  std::shared_ptr<const std::string> body = picture.Body(form);
  bodies_.Add(body);
  return body;
}

asio::awaitable<void> SeatMaps::Tick(int64_t show_id, std::shared_ptr<Entry> entry) {
  while (entry->followers > 0 && !stopping_) {
    entry->tick.expires_after(kFresh);
    (void)co_await entry->tick.async_wait(kAwait);
    if (!entry->asking && !stopping_) co_await Refresh(show_id, entry);
  }
  entry->ticking = false;
}

asio::awaitable<void> SeatMaps::Follow(int64_t show_id, std::string tag, http::SseStream& stream) {
  const std::shared_ptr<Entry> entry = Find(show_id);
  const Following following(entry->followers);
  if (!entry->ticking) {
    entry->ticking = true;
    asio::co_spawn(backends_.executor(), Tick(show_id, entry), asio::detached);
  }
  std::shared_ptr<const std::string> hint = ReconnectHint();
  const bool open = co_await stream.SendFormatted(std::move(hint));
  if (!open) co_return;
  while (!stopping_ && !stream.closed()) {
    if (entry->picture != nullptr) {
      const std::vector<std::shared_ptr<const std::string>> events = entry->picture->EventsSince(tag);
      tag = entry->picture->tag();
      for (const std::shared_ptr<const std::string>& event : events) {
        const bool sent = co_await stream.SendFormatted(event);
        if (!sent) co_return;
      }
      // While an event was on its way, more may have happened.
      if (tag != entry->picture->tag()) continue;
    }
    (void)co_await entry->wake.async_wait(kAwait);
  }
}

}  // namespace boxoffice::gateway
