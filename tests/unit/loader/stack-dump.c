/* Writes its first stack, from argc to the end, and before it the address of argc (4 bytes). */
#include <elf.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char *start = (char *)(argv - 1);
  char **p = argv + argc + 1;
  while (*p) p++;
  Elf32_auxv_t *aux = (Elf32_auxv_t *)(p + 1);
  while (aux->a_type != AT_EXECFN) aux++;
  char *name = (char *)aux->a_un.a_val;
  char *end = name + strlen(name) + 1 + 8;
  write(1, &start, 4);
  write(1, start, end - start);
  return 0;
}
