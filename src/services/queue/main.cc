// boxoffice-queue: the waiting room as a process of its own.
#include "platform/module/serve.h"
#include "services/queue/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, boxoffice::queue::Program());
}
