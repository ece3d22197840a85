// The command streams that are open at a server, and what they are told when it goes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

#include "boxoffice/rpc/v1/rpc.pb.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/call_metrics.h"

namespace boxoffice::rpc {

// Thread-safe. Outlives its streams. What a service has is a CommandIntake (command_intake.h).
class OpenStreams {
 public:
  OpenStreams() = default;
  virtual ~OpenStreams() = default;
  OpenStreams(const OpenStreams&) = delete;
  OpenStreams& operator=(const OpenStreams&) = delete;

  class Stream {
   public:
    // Says it to the stream's caller. Called with the lock of the OpenStreams: must not come back to it.
    virtual void Tell(v1::Farewell farewell) = 0;

   protected:
    ~Stream() = default;
  };

  // Tells every stream that is open, and each that opens from now on.
  void Say(v1::Farewell farewell) {
    const std::scoped_lock lock(mutex_);
    said_ = farewell;
    for (Stream* stream : streams_) stream->Tell(farewell);
  }

  // Waits until none is open: whether that is so within `limit`.
  [[nodiscard]] bool AwaitNone(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    return none_.wait_for(lock, limit, [this] { return streams_.empty(); });
  }

  // From now on commands are counted. Before the first stream; `metrics` outlives this.
  void CountIn(obs::Registry& metrics) { metrics_ = &metrics; }
  // Where the commands of a service are counted, whose streams these are; null: nowhere.
  [[nodiscard]] CommandCounters* CountersOf(const std::string& service) {
    if (metrics_ == nullptr) return nullptr;
    const std::scoped_lock lock(mutex_);
    if (counters_ == nullptr) counters_ = std::make_unique<CommandCounters>(*metrics_, service);
    return counters_.get();
  }

  // By a stream: from here to there it is open.
  void Add(Stream& stream) {
    const std::scoped_lock lock(mutex_);
    streams_.insert(&stream);
    if (said_ != v1::FAREWELL_NONE) stream.Tell(said_);
  }
  void Remove(Stream& stream) {
    const std::scoped_lock lock(mutex_);
    streams_.erase(&stream);
    if (streams_.empty()) none_.notify_all();
  }

 private:
  obs::Registry* metrics_ = nullptr;
  std::mutex mutex_;
  std::unique_ptr<CommandCounters> counters_;
  std::condition_variable none_;
  std::unordered_set<Stream*> streams_;
  v1::Farewell said_ = v1::FAREWELL_NONE;
};

}  // namespace boxoffice::rpc
