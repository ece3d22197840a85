// The connections from outside: all of a server's, and what one is told from other threads.
#include <boost/asio/post.hpp>

#include "platform/http/connection.h"

namespace boxoffice::http {

void ConnectionRegistry::Add(const std::shared_ptr<Connection>& connection) {
  const std::scoped_lock lock(mutex_);
  connections_.emplace(connection.get(), connection);
  size_ = connections_.size();
}

void ConnectionRegistry::Remove(Connection* connection) {
  const std::scoped_lock lock(mutex_);
  connections_.erase(connection);
  size_ = connections_.size();
  if (connections_.empty()) empty_.notify_all();
}

std::vector<std::shared_ptr<Connection>> ConnectionRegistry::All() { return Expired(SteadyTime::max()); }

// A connection that is being destroyed is whole until its Remove, which waits for this lock; lock() tells it
// apart. None is let go of under the lock, as that would call Remove.
std::vector<std::shared_ptr<Connection>> ConnectionRegistry::Expired(SteadyTime now) {
  std::vector<std::shared_ptr<Connection>> expired;
  const std::scoped_lock lock(mutex_);
  for (const auto& [connection, weak] : connections_) {
    if (!connection->expired(now)) continue;
    if (std::shared_ptr<Connection> shared = weak.lock()) expired.push_back(std::move(shared));
  }
  return expired;
}

bool ConnectionRegistry::WaitEmpty(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return empty_.wait_for(lock, limit, [this] { return connections_.empty(); });
}

void Connection::PostTimeout() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->OnTimeout(); });
}

void Connection::PostGiveUp() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->phase_ == Phase::kWriting) self->Close();
  });
}

void Connection::PostDrain() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->OnDrain(); });
}

void Connection::PostStop() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->stopped_ = true;
    self->EndStream();
    self->Close();
  });
}

}  // namespace boxoffice::http
