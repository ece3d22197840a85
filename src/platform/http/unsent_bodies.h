// How much memory the long answers may take together that clients have not taken yet. Of a server, of all its
// connections.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <mutex>

namespace boxoffice::http {

class UnsentBody;

// Thread-safe.
class UnsentBodies {
 public:
  // A shorter body is not counted: the kernel nearly always takes it at once, and there are only so many
  // connections.
  static constexpr size_t kLeast = 16 * 1'024;  // bytes

  explicit UnsentBodies(size_t most) : most_(most) {}

  [[nodiscard]] size_t bytes() const;

 private:
  friend class UnsentBody;

  const size_t most_;
  mutable std::mutex mutex_;
  size_t bytes_ = 0;
  std::list<UnsentBody*> counted_;  // who has had its answer for longest first
};

// One of them, from the moment when the kernel has taken but a part of it until its end. Where it makes them
// too many, those that have been there for longest are given up, as nobody reads more slowly: their memory
// counts no more. It is never given up for itself, however long it is.
class UnsentBody {
 public:
  // `give_up` is called at most once, while it lives, on whichever thread: it is quick, and frees the body
  // soon.
  UnsentBody(UnsentBodies& all, size_t bytes, std::function<void()> give_up);
  ~UnsentBody();
  UnsentBody(const UnsentBody&) = delete;
  UnsentBody& operator=(const UnsentBody&) = delete;

 private:
  void RemoveLocked();

  UnsentBodies& all_;
  const size_t bytes_;
  const std::function<void()> give_up_;
  std::list<UnsentBody*>::iterator place_;  // the list's end: it is not counted
};

}  // namespace boxoffice::http
