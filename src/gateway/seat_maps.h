// The seat maps as buyers see them: bodies rendered once for all who ask, and changes sent once to all who
// follow.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.h"
#include "boxoffice/seat/v1/seat.pb.h"
#include "gateway/backends.h"
#include "gateway/shared_bodies.h"
#include "platform/http/json_writer.h"
#include "platform/http/message.h"
#include "platform/rpc/worker_pool.h"

namespace boxoffice::gateway {

// The map of one show: the layout, rendered once until its prices change, with room for each seat's state,
// and the states of one version. No I/O.
class SeatPicture {
 public:
  // From an answer with a layout.
  explicit SeatPicture(const seat::v1::SeatMap& map);

  // The states of another version (without a layout). Keeps what changed for those who follow. The same as
  // before is no change, though another replica has a number of its own for it.
  void Update(const seat::v1::SeatMap& map);

  // Of the last answer, for the next question.
  [[nodiscard]] uint64_t asked_version() const { return asked_version_; }
  [[nodiscard]] uint64_t layout_version() const { return layout_version_; }
  // Names what is told, but for the version's number: the same at every thread and every gateway.
  [[nodiscard]] const std::string& tag() const { return tag_; }
  enum class Form { kList, kRows };  // GET …/seats, GET …/seat-map
  // Made when it is first asked for.
  [[nodiscard]] std::shared_ptr<const std::string> Body(Form form);
  // Null: it has not been asked for since the last change.
  [[nodiscard]] const std::shared_ptr<const std::string>& kept(Form form) const {
    return bodies_[static_cast<size_t>(form)];
  }
  // Events that lead from what `tag` names to the present state, as text: none if it is the present
  // one. A snapshot if `tag` is not known any more, or empty.
  [[nodiscard]] std::vector<std::shared_ptr<const std::string>> EventsSince(std::string_view tag);

 private:
  struct Step {
    std::string from_tag;
    std::shared_ptr<const std::string> event;  // null: too much has changed, a snapshot is shorter
  };
  static constexpr size_t kMaxSteps = 64;
  static constexpr size_t kMaxChanges = 2'000;

  [[nodiscard]] bool Tells(const seat::v1::SeatMap& map) const;
  void TakeCounts(const seat::v1::SeatMap& map);
  void RenderLayout(const seat::v1::SeatMap& map);
  void Patch(size_t seat, unsigned state);
  void WriteCounts(http::JsonWriter& writer) const;
  [[nodiscard]] std::string RenderList() const;
  [[nodiscard]] std::string RenderMap() const;
  [[nodiscard]] std::shared_ptr<const std::string> Snapshot();

  int64_t show_id_ = 0;
  uint64_t asked_version_ = 0;
  uint64_t version_ = 0;  // as it is told: of the answer that brought the last change
  const uint64_t layout_version_;
  std::string states_;  // 2 bits a seat
  uint32_t free_ = 0;
  uint32_t held_ = 0;
  uint32_t blocked_ = 0;
  uint32_t sold_ = 0;
  int64_t next_release_at_ms_ = 0;
  std::string tag_;
  std::string items_;               // the seats as JSON, each with the state's place filled and padded
  std::vector<uint32_t> state_at_;  // where in items_ a seat's state stands
  std::string rows_;                // the layout by rows, members of a JSON object
  std::array<std::shared_ptr<const std::string>, 2> bodies_;  // by Form
  std::shared_ptr<const std::string> snapshot_;
  std::deque<Step> steps_;  // the oldest first
};

// Asks the seat service for each show at most four times a second, however many look. Runs on the backends'
// executor only.
class SeatMaps {
 public:
  // Of bodies that have been answered, and that no picture keeps any more, slow readers may have as many
  // bytes, and what pictures kept meanwhile (one body a show), before no new list is made. Of maps by rows it
  // is twice as many, so that the lists of one show never stand in the way of those.
  static constexpr size_t kMostRead = 64 << 20;

  // A layout is rendered on `pool`: a stadium's takes long enough for others to notice. `bodies` has those
  // that are made here, and what others made of them; it outlives this.
  SeatMaps(Backends& backends, rpc::WorkerPool& pool, SharedBodies& bodies)
      : backends_(backends), pool_(pool), bodies_(bodies) {}

  // Ends the waiting of all who follow.
  void Stop();

  // The map, a quarter of a second old at most. Errors: show_not_found, and the call's. It stays whole while
  // it is held, and changes at the next call.
  asio::awaitable<Result<std::shared_ptr<SeatPicture>>> Get(int64_t show_id);

  // A body of a picture that Get has just told, for an answer. Error: overloaded (kResourceExhausted), where
  // those of earlier versions are still being read by too many, see kMostRead.
  [[nodiscard]] Result<std::shared_ptr<const std::string>> BodyOf(SeatPicture& picture,
                                                                  SeatPicture::Form form);

  // Sends what changes until the client leaves; `tag` is what the client has (empty: nothing).
  asio::awaitable<void> Follow(int64_t show_id, std::string tag, http::SseStream& stream);

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Entry {
    explicit Entry(const asio::any_io_executor& executor)
        : wake(executor, SteadyTime::max()), tick(executor) {}
    std::shared_ptr<SeatPicture> picture;  // null until the first answer
    SteadyTime checked{};
    Error error;
    bool asking = false;
    size_t followers = 0;
    bool ticking = false;
    uint64_t use = 0;
    asio::steady_timer wake;  // never fires; is cancelled when the picture was checked
    asio::steady_timer tick;
  };
  static constexpr std::chrono::milliseconds kFresh{250};
  // Pictures kept of shows that nobody follows; a stadium's takes 16 MB. Of those that are followed each has
  // one, of which the shows that are published are the bound.
  static constexpr size_t kMaxShows = 64;

  std::shared_ptr<Entry> Find(int64_t show_id);
  // False: no more than kMaxShows are kept that nobody follows or asks for.
  bool EvictOldest();
  asio::awaitable<void> Refresh(int64_t show_id, std::shared_ptr<Entry> entry);
  asio::awaitable<void> Tick(int64_t show_id, std::shared_ptr<Entry> entry);

  Backends& backends_;
  rpc::WorkerPool& pool_;
  SharedBodies& bodies_;
  std::unordered_map<int64_t, std::shared_ptr<Entry>> entries_;
  uint64_t uses_ = 0;
  bool stopping_ = false;
};

}  // namespace boxoffice::gateway
