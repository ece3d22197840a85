// A bus that takes every event and has none: a test overrides what it is about.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "platform/bus/bus.h"

namespace boxoffice::testbed {

class FakeBus : public bus::Bus {
 public:
  Result<void> Publish(std::span<const bus::Event>) override { return {}; }
  Result<void> Subscribe(const std::string&, std::vector<std::string>, Consume) override { return {}; }
  void Unsubscribe(const std::string&) override {}
  Result<bus::Page> Read(const std::string&, const bus::Position&, size_t) override { return bus::Page(); }
  Result<int64_t> Lag(const std::string&, std::span<const std::string>) override { return 0; }
  Result<std::vector<bus::DeadLetter>> DeadLetters(size_t) override { return std::vector<bus::DeadLetter>(); }
  Result<void> Replay(int64_t) override { return {}; }
};

}  // namespace boxoffice::testbed
