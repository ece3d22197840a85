#include "platform/bus/kafka_parked.h"

#include <algorithm>
#include <utility>

namespace boxoffice::bus::kafka {
void ParkedKeys::Put(ParkedEvent event) {
  const int64_t offset = event.record.offset;
  Erase(offset);
  bytes_ += SizeOf(event.record.event);
  const std::string name = event.record.event.key;
  Key& key = keys_[name];
  key.events.emplace(offset, std::move(event));
  if (key.events.begin()->first == offset) key.due = {};
  key_of_.emplace(offset, name);
}

void ParkedKeys::Erase(int64_t offset) {
  const auto name = key_of_.find(offset);
  if (name == key_of_.end()) return;
  const auto key = keys_.find(name->second);
  const auto event = key->second.events.find(offset);
  bytes_ -= SizeOf(event->second.record.event);
  if (event == key->second.events.begin()) key->second.due = {};
  key->second.events.erase(event);
  if (key->second.events.empty()) keys_.erase(key);
  key_of_.erase(name);
}

void ParkedKeys::SetDue(const std::string& key, Time due) {
  if (const auto it = keys_.find(key); it != keys_.end()) it->second.due = due;
}

const ParkedKeys::Key* ParkedKeys::Find(const std::string& key) const {
  const auto it = keys_.find(key);
  return it == keys_.end() ? nullptr : &it->second;
}

bool ParkedKeys::Knows(const std::string& key, int64_t offset) const {
  const Key* found = Find(key);
  return found != nullptr && offset <= found->events.rbegin()->first;
}

std::vector<const ParkedEvent*> ParkedKeys::InOrder() const {
  std::vector<const ParkedEvent*> events;
  for (const auto& [offset, name] : key_of_) events.push_back(&keys_.at(name).events.at(offset));
  return events;
}

ParkedKeys ParkedKeys::BeforeTheLog() const {
  const int64_t end = key_of_.empty() ? 0 : std::max<int64_t>(key_of_.rbegin()->first + 1, 0);
  ParkedKeys before;
  for (const ParkedEvent* event : InOrder()) {
    ParkedEvent moved = *event;
    moved.record.offset -= end;
    before.Put(std::move(moved));
  }
  return before;
}

std::vector<std::string> ParkedKeys::Due(Time now) const {
  std::vector<std::string> due;
  for (const auto& [name, key] : keys_) {
    if (!key.dead() && key.due <= now) due.push_back(name);
  }
  return due;
}

std::optional<ParkedKeys::Time> ParkedKeys::NextDue() const {
  std::optional<Time> next;
  for (const auto& [name, key] : keys_) {
    if (!key.dead()) next = next ? std::min(*next, key.due) : key.due;
  }
  return next;
}

}  // namespace boxoffice::bus::kafka
