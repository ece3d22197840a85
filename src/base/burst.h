// Work that one run of it does for many causes: the write of what has gathered, the waking of a thread.
// Within a burst of causes it is put off to the burst's end, so that it finds them all.
//
//   const Burst burst;                  // whoever hands out many things in a row
//   for (auto& done : all) done();
//
//   Burst::AtEnd([this] { Write(); });  // whoever does something about each
#pragma once

#include <functional>

namespace boxoffice {

// As long as it lives, this thread is in a burst; nested ones are a part of the outermost. Nobody in a burst
// may wait for what was put off.
class Burst {
 public:
  Burst();
  ~Burst();
  Burst(const Burst&) = delete;
  Burst& operator=(const Burst&) = delete;

  // Runs `work` when this thread's burst ends, in the order of the calls; at once where there is none. What
  // it captures lives at least as long as the burst.
  static void AtEnd(std::move_only_function<void()> work);
};

}  // namespace boxoffice
