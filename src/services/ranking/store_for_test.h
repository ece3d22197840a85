// A store of the ranking's that passes everything on to another one, for tests that come between.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "services/ranking/store.h"

namespace boxoffice::ranking {

class ForwardingStore : public Store {
 public:
  explicit ForwardingStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  Result<Loaded> Load() override { return store_->Load(); }
  Result<std::optional<Loaded>> LoadIfMoved() override { return store_->LoadIfMoved(); }
  Result<State> LoadRows(const Keys& keys) override { return store_->LoadRows(keys); }
  Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) override {
    return store_->AreProcessed(ids);
  }
  Result<void> Save(const State& changed, std::span<const EventId> counted, Hour oldest) override {
    return store_->Save(changed, counted, oldest);
  }
  Result<Forgotten> ForgetProcessed(Timestamp before, size_t limit) override {
    return store_->ForgetProcessed(before, limit);
  }
  Result<void> BeginRebuild() override { return store_->BeginRebuild(); }
  Result<void> ResumeRebuild() override { return store_->ResumeRebuild(); }
  Result<bool> EndRebuild(Timestamp now) override { return store_->EndRebuild(now); }

 private:
  const std::unique_ptr<Store> store_;
};

}  // namespace boxoffice::ranking
