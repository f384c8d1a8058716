/* Data moved inside the kernel to and from places around 2 and 4 GB, into files opened with and without O_LARGEFILE. */
#include "../programs/syscalls/show.h"
#include <sys/sendfile.h>
int main(void){
  int s=open("big",O_RDWR|O_CREAT,0600); int l=open("big2",O_RDWR|O_CREAT|O_LARGEFILE,0600); int in=open("in",O_RDWR|O_CREAT|O_LARGEFILE,0600);
  L(write(in,"0123456789abcdef",16)); L(ftruncate64(in, 5000000000ll));
  int in_small=open("in",O_RDONLY);
  L(in_small>=0);
  int pipefd[2]; pipe(pipefd);
  int outs[2]={s,l};
  for (int k=0;k<2;k++){ int o=outs[k]; const char*n=k?"large":"small"; printf("%s\n",n);
    static const long long POS[]={0,0x7ffffff0ll,0x7ffffffell,0x7fffffffll,0x80000000ll,0xfffffff0ll};
    for(int q=0;q<6;q++){ long long pos=POS[q];
      printf("at %llx\n",pos);
      lseek64(o,pos,SEEK_SET); lseek64(in,0,SEEK_SET);
      C(SYS_sendfile,o,in,0,32);
      lseek64(o,pos,SEEK_SET); long off=4; C(SYS_sendfile,o,in,&off,32); printf("%ld\n",off);
      lseek64(o,pos,SEEK_SET); long long off8=4; C(SYS_sendfile64,o,in,&off8,32); printf("%lld\n",off8);
      long long oi=0, oo=pos; C(SYS_copy_file_range,in,&oi,o,&oo,32,0); printf("%lld %lld\n",oi,oo-pos);
      lseek64(o,pos,SEEK_SET); lseek64(in,0,SEEK_SET); C(SYS_copy_file_range,in,0,o,0,32,0);
      write(pipefd[1],"0123456789abcdef0123456789abcdef",32); oo=pos; C(SYS_splice,pipefd[0],0,o,&oo,32,0); char junk[64]; fcntl(pipefd[0],F_SETFL,O_NONBLOCK); while(read(pipefd[0],junk,64)>0);
      write(pipefd[1],"0123456789abcdef0123456789abcdef",32); lseek64(o,pos,SEEK_SET); C(SYS_splice,pipefd[0],0,o,0,32,0);  while(read(pipefd[0],junk,64)>0);
      /* From there. */
      long long big=pos; lseek64(in,pos,SEEK_SET);
      C(SYS_sendfile,l,in,0,20);
      long o4=pos>0xffffffffll?0:(long)pos; C(SYS_sendfile,l,in,&o4,20); printf("%lx\n",o4);
      C(SYS_sendfile64,l,in,&big,20); printf("%llx\n",big);
      oi=pos; oo=0; C(SYS_copy_file_range,in,&oi,l,&oo,20,0); 
      oi=pos; C(SYS_splice,in,&oi,pipefd[1],0,20,0); while(read(pipefd[0],junk,64)>0);
    }
  }
  unlink("big");unlink("big2");unlink("in");
}
