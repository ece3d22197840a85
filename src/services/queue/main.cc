// boxoffice-queue: the waiting room as a process of its own.
#include "platform/module/serve.h"
#include "services/queue/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, "queue", [](const auto& runtime) {
    return std::make_unique<boxoffice::queue::QueueModule>(runtime, boxoffice::queue::QueueConfig{});
  });
}
