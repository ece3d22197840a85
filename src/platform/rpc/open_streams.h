// The command streams that are open at a server, and what they are told when it goes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <unordered_set>

#include "boxoffice/rpc/v1/rpc.pb.h"

namespace boxoffice::rpc {

// Thread-safe. Outlives its streams.
class OpenStreams {
 public:
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
  std::mutex mutex_;
  std::condition_variable none_;
  std::unordered_set<Stream*> streams_;
  v1::Farewell said_ = v1::FAREWELL_NONE;
};

}  // namespace boxoffice::rpc
