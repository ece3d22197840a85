// What the work on a whole show asks of the seat service, in its own words. Each call may be repeated.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "base/result.h"
#include "services/reservation/waitlist.h"

namespace boxoffice::reservation {

namespace asio = boost::asio;

// Thread: that of the sagas. Every call has a deadline of its own. Errors: show_not_found (kNotFound), and
// those of the call.
class Shows {
 public:
  virtual ~Shows() = default;
  // As it was on record at most a second ago, or so.
  virtual asio::awaitable<Result<ShowView>> Get(int64_t show_id) = 0;
  // Ends the show's sale for good. Errors also: show_state (kConflict), it has begun.
  virtual asio::awaitable<Result<void>> Cancel(int64_t show_id) = 0;
  virtual asio::awaitable<Result<Hall>> SeeSeats(int64_t show_id) = 0;
  // From now on free seats are kept for offers to the waitlist, or for everybody again. The show as it is on
  // record then.
  virtual asio::awaitable<Result<ShowView>> SetWaitlistFirst(int64_t show_id, bool first) = 0;
};

}  // namespace boxoffice::reservation
