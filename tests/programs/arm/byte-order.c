// Freestanding program for both byte orders of ARM: data in memory, structures and signals of system calls, the helper page.
static long sys(long n,long a,long b,long c){ register long r7 __asm__("r7")=n; register long r0 __asm__("r0")=a; register long r1 __asm__("r1")=b; register long r2 __asm__("r2")=c; __asm__ volatile("svc 0":"+r"(r0):"r"(r7),"r"(r1),"r"(r2):"memory"); return r0; }
static int len(const char*s){int n=0; while(s[n]) n++; return n;}
static void put(const char*s){ sys(4,1,(long)s,len(s)); }
static void hex(unsigned v){ char b[10]; for(int i=0;i<8;i++){ b[i]="0123456789abcdef"[(v>>(28-4*i))&15]; } b[8]='\n'; b[9]=0; put(b); }
volatile unsigned w=0x01020304; volatile unsigned short h=0x0506; volatile unsigned long long q=0x1122334455667788ull;
struct ts { long s, n; };
struct stat64 { unsigned char b[104]; };
__attribute__((naked)) static void back(void){ __asm__ volatile("mov r7,#119\n svc 0"); }
static void handler(int s){ put("handler "); hex(s); }
struct act { void (*h)(int); unsigned long flags; void *rest; unsigned long mask[2]; };
void _start(void){
  put("hello\n"); hex(w); hex(*(volatile unsigned char*)&w); hex(h); hex(*(volatile unsigned char*)&h); hex(q>>32); hex((unsigned)q); hex(*(volatile unsigned*)&q);
  struct stat64 st; long r=sys(195,(long)"/dev/null",(long)&st,0); hex(r); hex(*(unsigned*)(st.b+16)); 
  struct ts t[2]; hex(sys(263,1,(long)t,0)); hex(t->s>1000?1:0); hex(t->s<0x1000000?1:0);
  struct act a={handler,0x04000000,(void*)back,{0,0}}; hex(sys(174,10,(long)&a,0)==-22); 
  { register long r7 __asm__("r7")=174; register long r0 __asm__("r0")=10; register long r1 __asm__("r1")=(long)&a; register long r2 __asm__("r2")=0; register long r3 __asm__("r3")=8; __asm__ volatile("svc 0":"+r"(r0):"r"(r7),"r"(r1),"r"(r2),"r"(r3):"memory"); hex(r0); }
  sys(37,sys(20,0,0,0),10,0);
  int pfd[2]; hex(sys(42,(long)pfd,0,0)); hex(pfd[0]<100); sys(4,pfd[1],(long)"abc",3); char b[4]={0}; hex(sys(3,pfd[0],(long)b,3)); put(b); put("\n");
  long (*cas)(long,long,volatile void*)=(void*)0xffff0fc0; hex(cas(0x01020304,5,&w)); hex(w);
  hex(*(unsigned*)0xffff0ffc);
  sys(1,7,0,0);
}
