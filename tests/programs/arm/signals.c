// Signals of ARM programs: faults, undefined instructions, breakpoints, changed contexts, masks, alternate stacks.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>
#include <sys/mman.h>
#include <setjmp.h>
static sigjmp_buf jb; static volatile int n;
static void h(int s, siginfo_t *i, void *u){
  ucontext_t *c=u; mcontext_t *m=&c->uc_mcontext;
  printf("sig %d code %d T %lx flags %lx stack %d\n", s, s==4 ? 0 : i->si_code, (m->arm_cpsr>>5)&1, c->uc_flags, (int)c->uc_stack.ss_flags); if (s==10) printf(" r4 %d\n", m->arm_r4==0x44);
  if (s==11||s==7) printf(" addr %x\n", (unsigned)i->si_addr & 3);
  if (s==4||s==5) { printf(" pc-match %d\n", (unsigned long)i->si_addr==m->arm_pc); m->arm_pc += (m->arm_cpsr&0x20)? 2:4; return; }
  if (s==10) { unsigned *r=(unsigned*)c->uc_regspace; printf(" regspace %x %x\n", r[0], r[1]); m->arm_r4 = 0x77; return; }
  siglongjmp(jb,1);
}
static void plain(int s){ printf("plain %d\n", s); n++; }
int main(){
  setvbuf(stdout,0,_IONBF,0);
  struct sigaction a={0}; a.sa_sigaction=h; a.sa_flags=SA_SIGINFO; 
  for (int s=1;s<32;s++) if (s!=9&&s!=19&&s!=17) sigaction(s,&a,0);
  if(!sigsetjmp(jb,1)) *(volatile int*)0x10=1;
  if(!sigsetjmp(jb,1)) { char*p=mmap(0,4096,PROT_READ,MAP_PRIVATE|MAP_ANONYMOUS,-1,0); (void)p; *(volatile int*)0x8=*(volatile int*)0x4; }
  if(!sigsetjmp(jb,1)) ((void(*)(void))0x44)();
#ifdef __thumb__
  __asm__ volatile("udf #5");
#else
  __asm__ volatile(".word 0xe7f000f5");
#endif
  __asm__ volatile("bkpt #1" ::: "memory");
  register unsigned long r4 __asm__("r4")=0x44; 
  __asm__ volatile("mov r0,%1\n push {r7}\n mov r7,#20\n svc 0\n mov r1,#10\n mov r7,#37\n svc 0\n pop {r7}" : "+r"(r4) : "r"(0) : "r0","r1","memory");
  printf("r4 now %lx\n", r4);
  signal(12, plain); raise(12); 
  struct sigaction b={0}; b.sa_handler=plain; b.sa_flags=SA_RESETHAND|SA_NODEFER; sigaction(14,&b,0); raise(14);
  sigset_t st; sigemptyset(&st); sigaddset(&st,12); sigprocmask(SIG_BLOCK,&st,0); raise(12); printf("blocked %d\n", n); sigprocmask(SIG_UNBLOCK,&st,0); printf("then %d\n", n);
  stack_t ss={.ss_sp=malloc(65536),.ss_size=65536}; sigaltstack(&ss,0); a.sa_flags=SA_SIGINFO|SA_ONSTACK; sigaction(11,&a,0); if(!sigsetjmp(jb,1)) *(volatile int*)0x10=1;
  if(!sigsetjmp(jb,1)) { unsigned char buf[32]; unsigned x; __asm__ volatile("ldmia %1,{r2,r3}\n mov %0,r2":"=r"(x):"r"((unsigned long)(buf+16)|1):"r2","r3"); printf("ldm ok\n"); }
  printf("d8 test: "); double d; __asm__ volatile("":::"memory"); d=1.5; raise(10); printf("%f\n", d);
  _exit(5);
}
