// Sockets: addresses, options, every control message, the error queue, interfaces, netlink.
#include "show.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/** Waits until something has arrived, or an error: what is sent is sometimes passed on by a thread of the kernel. */
static void arrived(int fd) {
  struct pollfd p = {fd, POLLIN, 0};
  poll(&p, 1, -1);
}

static char control[4096];
static char data[4096];

/** Receives one message and prints its control messages; what differs from run to run is only named. */
static long receive(int fd, int flags, int room) {
  struct sockaddr_storage from;
  struct iovec v[2] = {{data, 3}, {data + 3, 1000}};
  struct msghdr m = {&from, sizeof from, v, 2, control, room, 0};
  memset(control, 0xee, sizeof control);
  memset(&from, 0, sizeof from);
  errno = 0;
  long n = recvmsg(fd, &m, flags);
  show("recvmsg", n < 0 ? -errno : n);
  if (n < 0) return n;
  printf("  flags %x name %d control %d family %d\n", m.msg_flags, m.msg_namelen, (int)m.msg_controllen, from.ss_family);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    int length = c->cmsg_len - CMSG_LEN(0);
    printf("  level %d type %d length %d", c->cmsg_level, c->cmsg_type, length);
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
      for (int i = 0; i < length / 4; i++) {
        int got = ((int *)CMSG_DATA(c))[i];
        printf(" fd %d", fcntl(got, F_GETFD));
        close(got);
      }
      printf("\n");
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
      struct ucred *u = (struct ucred *)CMSG_DATA(c);
      printf(" %d %u %u\n", u->pid == getpid(), u->uid, u->gid);
    } else if (c->cmsg_level == SOL_SOCKET && (c->cmsg_type == SO_TIMESTAMP_OLD || c->cmsg_type == SO_TIMESTAMPNS_OLD || c->cmsg_type == SO_TIMESTAMPING_OLD)) {
      int *t = (int *)CMSG_DATA(c);
      printf(" %d\n", labs(t[0] - time(0)) < 100 && t[1] >= 0 && t[1] < 1000000000);
    } else if (c->cmsg_level == SOL_SOCKET && (c->cmsg_type == SO_TIMESTAMP_NEW || c->cmsg_type == SO_TIMESTAMPNS_NEW || c->cmsg_type == SO_TIMESTAMPING_NEW)) {
      long long *t = (long long *)CMSG_DATA(c);
      printf(" %d\n", llabs(t[0] - time(0)) < 100 && t[1] >= 0 && t[1] < 1000000000);
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == 4) {
      close(*(int *)CMSG_DATA(c));
      printf(" pidfd\n");
    } else {
      for (int i = 0; i < length; i++) printf(" %02x", CMSG_DATA(c)[i]);
      printf("\n");
    }
  }
  return n;
}

/** Sends with one control message. */
static long send_with(int fd, void *to, int to_length, int level, int type, const void *what, int length) {
  struct iovec v = {"hello", 5};
  struct msghdr m = {to, to_length, &v, 1, control, CMSG_SPACE(length), 0};
  memset(control, 0, sizeof control);
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(length);
  memcpy(CMSG_DATA(c), what, length);
  errno = 0;
  long n = sendmsg(fd, &m, MSG_NOSIGNAL);
  return show("sendmsg", n < 0 ? -errno : n);
}

static void option(int fd, int level, int name, const void *value, int length) {
  errno = 0;
  int r = setsockopt(fd, level, name, value, length);
  printf("set %d %d: ", level, name);
  show("", r < 0 ? -errno : r);
  unsigned char back[300];
  socklen_t size = sizeof back;
  errno = 0;
  r = getsockopt(fd, level, name, back, &size);
  show("  get", r < 0 ? -errno : r);
  if (r == 0) dump("value", back, size > 32 ? 32 : size);
}

static void unix_sockets(void) {
  int s[2];
  L(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
  int on = 1, fds[3] = {0, 1, s[0]};
  send_with(s[0], 0, 0, SOL_SOCKET, SCM_RIGHTS, fds, sizeof fds);
  receive(s[1], 0, sizeof control);
  send_with(s[0], 0, 0, SOL_SOCKET, SCM_RIGHTS, fds, sizeof fds);
  receive(s[1], MSG_CMSG_CLOEXEC, CMSG_LEN(8));
  send_with(s[0], 0, 0, SOL_SOCKET, SCM_RIGHTS, fds, sizeof fds);
  receive(s[1], 0, 6);
  fds[1] = 999;
  send_with(s[0], 0, 0, SOL_SOCKET, SCM_RIGHTS, fds, sizeof fds);
  struct ucred me = {getpid(), getuid(), getgid()};
  send_with(s[0], 0, 0, SOL_SOCKET, SCM_CREDENTIALS, &me, sizeof me);
  receive(s[1], 0, sizeof control);
  L(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, 4));
  send_with(s[0], 0, 0, SOL_SOCKET, SCM_CREDENTIALS, &me, sizeof me);
  receive(s[1], 0, sizeof control);
  L(send(s[0], "plain", 5, 0));
  receive(s[1], MSG_PEEK, sizeof control);
  receive(s[1], 0, sizeof control);
  send_with(s[0], 0, 0, SOL_SOCKET, 99, &me, 4);
  send_with(s[0], 0, 0, 99, 99, &me, 4);
  send_with(s[0], 0, 0, SOL_SOCKET, SCM_CREDENTIALS, &me, 4);
  L(setsockopt(s[1], SOL_SOCKET, 29, &on, 4));
  L(send(s[0], "time", 4, 0));
  receive(s[1], 0, sizeof control);
  L(setsockopt(s[1], SOL_SOCKET, 63, &on, 4));
  L(send(s[0], "time", 4, 0));
  receive(s[1], 0, sizeof control);
  L(setsockopt(s[1], SOL_SOCKET, 64, &on, 4));
  L(send(s[0], "time", 4, 0));
  receive(s[1], 0, sizeof control);
  L(setsockopt(s[1], SOL_SOCKET, 35, &on, 4));
  L(send(s[0], "time", 4, 0));
  receive(s[1], 0, 24);
  int size = 1 << 20;
  struct ucred peer;
  socklen_t peer_size = sizeof peer;
  L(getsockopt(s[1], SOL_SOCKET, SO_PEERCRED, &peer, &peer_size));
  printf("  %d %d %u\n", peer_size, peer.pid == getpid(), peer.uid);
  struct sockaddr_un a = {AF_UNIX, "sock"};
  int l = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  L(bind(l, (void *)&a, offsetof(struct sockaddr_un, sun_path) + 5));
  L(listen(l, 3));
  int c = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
  L(connect(c, (void *)&a, sizeof a));
  struct sockaddr_un b;
  socklen_t n = sizeof b;
  memset(&b, 0xcc, sizeof b);
  int d = accept(l, (void *)&b, &n);
  printf("accept %d %d %d\n", d > 0, n, b.sun_family);
  n = 4;
  memset(&b, 0xcc, sizeof b);
  L(getpeername(c, (void *)&b, &n));
  dump("cut", &b, 8);
  printf("%d\n", n);
  a.sun_path[0] = 0;
  sprintf(a.sun_path + 1, "%09d", getpid());
  int abstract = socket(AF_UNIX, SOCK_DGRAM, 0);
  L(bind(abstract, (void *)&a, 2 + 10));
  L(sendto(s[0], "x", 1, 0, (void *)&a, 2 + 10));
  int free_ = socket(AF_UNIX, SOCK_DGRAM, 0);
  L(sendto(free_, "abstract", 8, 0, (void *)&a, 2 + 10));
  receive(abstract, 0, 0);
  L(bind(free_, (void *)&a, 2));
  n = sizeof b;
  L(getsockname(free_, (void *)&b, &n));
  L(shutdown(c, SHUT_WR));
  L(recv(d, data, 10, 0));
  L(send(c, data, 10, MSG_NOSIGNAL));
}

/** A socket with an address of the loopback interface; -1 where there is none of the family. */
static int udp(int family, struct sockaddr_storage *a, socklen_t *n) {
  int s = socket(family, SOCK_DGRAM, 0);
  memset(a, 0, sizeof *a);
  if (family == AF_INET) *(struct sockaddr_in *)a = (struct sockaddr_in){AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
  else *(struct sockaddr_in6 *)a = (struct sockaddr_in6){AF_INET6, 0, 0, in6addr_loopback, 0};
  *n = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  if (bind(s, (void *)a, *n)) {
    printf("bind %s\n", strerrorname_np(errno));
    return -1;
  }
  getsockname(s, (void *)a, n);
  return s;
}

static void internet(void) {
  struct sockaddr_storage a, b;
  socklen_t n, m;
  int on = 1, s = udp(AF_INET, &a, &n), r = udp(AF_INET, &b, &m);
  for (int name = 0; name < 60; name++) {
    if (name == IP_MTU || name == IP_MTU_DISCOVER || name == 52) continue;
    unsigned char back[64] = {0};
    socklen_t size = 64;
    errno = 0;
    int got = getsockopt(s, SOL_IP, name, back, &size);
    printf("IP %d %s %d", name, got ? strerrorname_np(errno) : "ok", size);
    dump("", back, 8);
  }
  L(setsockopt(r, SOL_IP, IP_PKTINFO, &on, 4));
  L(setsockopt(r, SOL_IP, IP_RECVTTL, &on, 4));
  L(setsockopt(r, SOL_IP, IP_RECVTOS, &on, 4));
  L(setsockopt(r, SOL_IP, IP_RECVORIGDSTADDR, &on, 4));
  L(setsockopt(r, SOL_SOCKET, SO_RXQ_OVFL, &on, 4));
  ((struct sockaddr_in *)&b)->sin_port = 0;
  getsockname(r, (void *)&b, &m);
  L(connect(s, (void *)&b, m));
  L(send(s, "packet", 6, 0));
  long got = receive(r, MSG_PEEK, 30);
  struct in_pktinfo info = {1, {htonl(INADDR_LOOPBACK)}, {0}};
  got = receive(r, 0, 64) + got;
  send_with(s, 0, 0, SOL_IP, IP_PKTINFO, &info, sizeof info);
  int ttl = 7;
  send_with(s, 0, 0, SOL_IP, IP_TTL, &ttl, 4);
  ttl = 700;
  send_with(s, 0, 0, SOL_IP, IP_TTL, &ttl, 4);
  unsigned char tos = 8;
  send_with(s, 0, 0, SOL_IP, IP_TOS, &tos, 1);
  L(recv(r, data, 2, MSG_TRUNC));
  L(recv(r, data, 100, 0));
  L(recv(r, data, 100, 0));
  L(recv(r, data, 100, MSG_DONTWAIT));
  // A port nobody listens on: the error arrives by the error queue.
  struct sockaddr_in none = {AF_INET, htons(1), {htonl(INADDR_LOOPBACK)}};
  int e = socket(AF_INET, SOCK_DGRAM, 0);
  L(setsockopt(e, SOL_IP, IP_RECVERR, &on, 4));
  L(sendto(e, "x", 1, 0, (void *)&none, sizeof none));
  arrived(e);
  L(recv(e, data, 10, MSG_DONTWAIT));
  receive(e, MSG_ERRQUEUE, sizeof control);
  receive(e, MSG_ERRQUEUE, sizeof control);
  // Time stamps of what is sent.
  int flags = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 7 | 1 << 8;
  int t = udp(AF_INET, &a, &n);
  L(setsockopt(t, SOL_SOCKET, SO_TIMESTAMPING_OLD, &flags, 4));
  L(sendto(t, "stamp", 5, 0, (void *)&b, m));
  arrived(t);
  receive(t, MSG_ERRQUEUE, sizeof control);
  int t2 = udp(AF_INET, &a, &n);
  L(setsockopt(t2, SOL_SOCKET, SO_TIMESTAMPING_NEW, &flags, 4));
  L(sendto(t2, "stamp", 5, 0, (void *)&b, m));
  arrived(t2);
  receive(t2, MSG_ERRQUEUE, sizeof control);
  L(setsockopt(r, SOL_SOCKET, SO_TIMESTAMP_NEW, &on, 4));
  L(recv(r, data, 100, 0));
  L(recv(r, data, 100, 0));
  L(sendto(t2, "stamp", 5, 0, (void *)&b, m));
  long received = recv(r, data, 0, MSG_PEEK);
  struct timeval last;
  L(ioctl(r, SIOCGSTAMP_OLD, &last));
  long long stamp[2];
  LK(ioctl(r, 0x80108906, stamp));
  printf("%ld\n", received);

  int s6 = udp(AF_INET6, &a, &n), r6 = udp(AF_INET6, &b, &m);
  // A machine without IPv6: what is not sent would be waited for.
  if (s6 < 0 || r6 < 0) return;
  L(setsockopt(r6, SOL_IPV6, IPV6_RECVPKTINFO, &on, 4));
  L(setsockopt(r6, SOL_IPV6, IPV6_RECVHOPLIMIT, &on, 4));
  L(setsockopt(r6, SOL_IPV6, IPV6_RECVTCLASS, &on, 4));
  L(connect(s6, (void *)&b, m));
  L(send(s6, "six", 3, 0));
  receive(r6, 0, sizeof control);
  struct in6_pktinfo info6 = {in6addr_loopback, 1};
  send_with(s6, 0, 0, SOL_IPV6, IPV6_PKTINFO, &info6, sizeof info6);
  receive(r6, 0, sizeof control);
  int hops = 3;
  send_with(s6, 0, 0, SOL_IPV6, IPV6_HOPLIMIT, &hops, 4);
  receive(r6, 0, sizeof control);
  L(setsockopt(s6, SOL_IPV6, IPV6_RECVERR, &on, 4));
  struct sockaddr_in6 none6 = {AF_INET6, htons(1), 0, in6addr_loopback, 0};
  int e6 = socket(AF_INET6, SOCK_DGRAM, 0);
  L(setsockopt(e6, SOL_IPV6, IPV6_RECVERR, &on, 4));
  L(sendto(e6, "x", 1, 0, (void *)&none6, sizeof none6));
  arrived(e6);
  receive(e6, MSG_ERRQUEUE, sizeof control);
  // Segments by UDP_SEGMENT, whole by UDP_GRO.
  unsigned short segment = 4;
  send_with(s, 0, 0, 17, 103, &segment, 2);
}

static void options(void) {
  int t = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  int names[] = {SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE,
                 SO_NO_CHECK, SO_PRIORITY, SO_REUSEPORT, SO_PASSCRED, SO_RCVLOWAT, SO_SNDLOWAT, SO_TIMESTAMP_OLD,
                 SO_ACCEPTCONN, SO_PASSSEC, SO_MARK, SO_PROTOCOL, SO_DOMAIN, SO_RXQ_OVFL, SO_WIFI_STATUS, SO_PEEK_OFF,
                 SO_NOFCS, SO_SELECT_ERR_QUEUE, SO_BUSY_POLL, SO_ZEROCOPY, SO_TIMESTAMPNS_NEW, 69, 70, 72, 73, 74, 75, 76, 999};
  for (unsigned i = 0; i < sizeof names / 4; i++) option(t, SOL_SOCKET, names[i], &on, 4);
  int size = 50000;
  option(t, SOL_SOCKET, SO_SNDBUF, &size, 4);
  option(t, SOL_SOCKET, SO_RCVBUF, &size, 2);
  struct linger linger = {1, 7};
  option(t, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  option(t, SOL_SOCKET, SO_LINGER, &linger, 4);
  int time_old[2] = {3, 500000};
  option(t, SOL_SOCKET, 20, time_old, 8);
  option(t, SOL_SOCKET, 21, time_old, 4);
  time_old[1] = 5000000;
  option(t, SOL_SOCKET, 21, time_old, 8);
  long long time_new[2] = {4, 250000};
  option(t, SOL_SOCKET, 66, time_new, 16);
  option(t, SOL_SOCKET, 67, time_new, 8);
  option(t, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
  option(t, SOL_SOCKET, SO_BINDTODEVICE, "none", 5);
  unsigned long long rate = 1000000;
  option(t, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, 8);
  option(t, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, 4);
  struct sock_filter accept_all[] = {{6, 0, 0, 0xffff}};
  struct sock_fprog program = {1, accept_all};
  option(t, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
  struct sock_fprog wild = {1, BAD}, empty = {0, accept_all};
  option(t, SOL_SOCKET, SO_ATTACH_FILTER, &wild, sizeof wild);
  option(t, SOL_SOCKET, SO_ATTACH_FILTER, &empty, sizeof empty);
  option(t, SOL_SOCKET, SO_ATTACH_FILTER, &program, 6);
  option(t, SOL_SOCKET, SO_DETACH_FILTER, &on, 4);
  unsigned char back[64];
  socklen_t n = 64;
  for (int name = 1; name < 40; name++) {
    if (name == TCP_INFO || name == TCP_CONGESTION || name == TCP_CC_INFO || name == TCP_TIMESTAMP || name == 35) continue;
    n = 64;
    errno = 0;
    int got = getsockopt(t, SOL_TCP, name, back, &n);
    printf("TCP %d %s %d", name, got ? strerrorname_np(errno) : "ok", n);
    dump("", back, got ? 0 : n < 4 ? n : 4);
  }
  option(t, SOL_TCP, TCP_NODELAY, &on, 4);
  int u = socket(AF_INET, SOCK_DGRAM, 0);
  struct ip_mreqn join = {{htonl(0xe0000005)}, {htonl(INADDR_LOOPBACK)}, 0};
  option(u, SOL_IP, IP_ADD_MEMBERSHIP, &join, sizeof join);
  option(u, SOL_IP, IP_MULTICAST_IF, &join, sizeof join);
  option(u, SOL_IP, IP_DROP_MEMBERSHIP, &join, sizeof join);
  struct group_req group = {1};
  *(struct sockaddr_in *)&group.gr_group = (struct sockaddr_in){AF_INET, 0, {htonl(0xe0000006)}};
  option(u, SOL_IP, MCAST_JOIN_GROUP, &group, sizeof group);
  option(u, SOL_IP, MCAST_JOIN_GROUP, &group, sizeof group);
  option(u, SOL_IP, MCAST_LEAVE_GROUP, &group, sizeof group);
  struct group_source_req source = {1};
  source.gsr_group = group.gr_group;
  *(struct sockaddr_in *)&source.gsr_source = (struct sockaddr_in){AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
  option(u, SOL_IP, MCAST_JOIN_SOURCE_GROUP, &source, sizeof source);
  char filter_space[GROUP_FILTER_SIZE(3)];
  struct group_filter *filter = (void *)filter_space;
  memset(filter, 0, sizeof filter_space);
  filter->gf_interface = 1;
  filter->gf_group = group.gr_group;
  filter->gf_fmode = MCAST_INCLUDE;
  filter->gf_numsrc = 1;
  filter->gf_slist[0] = source.gsr_source;
  errno = 0;
  L(setsockopt(u, SOL_IP, MCAST_MSFILTER, filter, GROUP_FILTER_SIZE(1)));
  n = GROUP_FILTER_SIZE(3);
  filter->gf_numsrc = 3;
  memset(filter->gf_slist, 0, sizeof(struct sockaddr_storage));
  L(getsockopt(u, SOL_IP, MCAST_MSFILTER, filter, &n));
  printf("  %d mode %d sources %d %x\n", n, filter->gf_fmode, filter->gf_numsrc, ((struct sockaddr_in *)&filter->gf_slist[0])->sin_addr.s_addr);
  struct { unsigned group, interface, mode, count, list[2]; } ipfilter = {htonl(0xe0000006), htonl(INADDR_LOOPBACK), 0, 1, {htonl(0x01020304), 0}};
  L(setsockopt(u, SOL_IP, IP_MSFILTER, &ipfilter, 20));
  n = 24;
  L(getsockopt(u, SOL_IP, IP_MSFILTER, &ipfilter, &n));
  dump("filter", &ipfilter, n);
  L(setsockopt(999, SOL_SOCKET, SO_DEBUG, &on, 4));
  L(setsockopt(0, SOL_SOCKET, SO_DEBUG, &on, 4));
  L(setsockopt(u, SOL_SOCKET, SO_DEBUG, BAD, 4));
  L(getsockopt(u, SOL_SOCKET, SO_DEBUG, &on, BAD));
}

static void interfaces(void) {
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq q = {{"lo"}};
  LK(ioctl(s, SIOCGIFFLAGS, &q));
  dump("flags", &q.ifr_flags, 2);
  LK(ioctl(s, SIOCGIFINDEX, &q));
  printf("  %d\n", q.ifr_ifindex);
  LK(ioctl(s, SIOCGIFADDR, &q));
  dump("address", &q.ifr_addr, 16);
  LK(ioctl(s, SIOCGIFNETMASK, &q));
  dump("mask", &q.ifr_netmask, 16);
  LK(ioctl(s, SIOCGIFMTU, &q));
  printf("  %d\n", q.ifr_mtu);
  LK(ioctl(s, SIOCGIFHWADDR, &q));
  dump("hardware", &q.ifr_hwaddr, 16);
  LK(ioctl(s, SIOCGIFMAP, &q));
  LK(ioctl(s, SIOCGIFTXQLEN, &q));
  printf("  %d\n", q.ifr_qlen);
  q.ifr_ifindex = 1;
  LK(ioctl(s, SIOCGIFNAME, &q));
  printf("  %s\n", q.ifr_name);
  strcpy(q.ifr_name, "nothing");
  L(ioctl(s, SIOCGIFFLAGS, &q));
  L(ioctl(s, SIOCGIFFLAGS, BAD));
  struct ifconf list = {0, {0}};
  LK(ioctl(s, SIOCGIFCONF, &list));
  printf("  %d\n", list.ifc_len % (int)sizeof(struct ifreq));
  struct ifreq all[3];
  list.ifc_req = all;
  list.ifc_len = sizeof(struct ifreq) + 5;
  LK(ioctl(s, SIOCGIFCONF, &list));
  printf("  %d %s\n", list.ifc_len, all[0].ifr_name);
  dump("address", &all[0].ifr_addr, 16);
  int n;
  L(ioctl(s, SIOCOUTQ, &n));
  L(ioctl(s, SIOCATMARK, &n));
  L(ioctl(s, SIOCGPGRP, &n));
  printf("  %d\n", n);
  n = getpid();
  L(ioctl(s, SIOCSPGRP, &n));
  n = 0;
  L(ioctl(s, FIOGETOWN, &n));
  printf("  %d\n", n == getpid());
  struct { unsigned command, data; } tool = {0x0a, 0};
  strcpy(q.ifr_name, "lo");
  q.ifr_data = (void *)&tool;
  L(ioctl(s, SIOCETHTOOL, &q));
  printf("  link %u\n", tool.data);
  struct { unsigned command; char text[192]; } driver = {3};
  q.ifr_data = (void *)&driver;
  L(ioctl(s, SIOCETHTOOL, &q));

  int k = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  struct { struct nlmsghdr h; struct rtgenmsg g; } request = {{sizeof request, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 5, 0}, {AF_UNSPEC}};
  L(send(k, &request, sizeof request, 0));
  char *buffer = malloc(65536);
  long length = recv(k, buffer, 65536, 0);
  struct nlmsghdr *h = (void *)buffer;
  printf("%d %d %d\n", length > 0, h->nlmsg_type, h->nlmsg_seq);
  struct ifinfomsg *link = NLMSG_DATA(h);
  printf("%d %d\n", link->ifi_type, link->ifi_index);
  struct rtattr *attribute = IFLA_RTA(link);
  int rest = IFLA_PAYLOAD(h);
  for (int i = 0; i < 3 && RTA_OK(attribute, rest); i++, attribute = RTA_NEXT(attribute, rest)) printf("  %d %d\n", attribute->rta_type, attribute->rta_len);
  int x = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  request.h.nlmsg_type = 9999;
  L(send(x, &request, sizeof request, 0));
  length = recv(x, buffer, 65536, 0);
  dump("error", buffer, 8);
  int on = 1;
  option(x, 270, NETLINK_EXT_ACK, &on, 4);
  int p = socket(AF_PACKET, SOCK_RAW, htons(3));
  if (p >= 0) {
    struct sockaddr_ll ll = {AF_PACKET, htons(3), 1};
    L(bind(p, (void *)&ll, sizeof ll));
    option(p, 263, PACKET_AUXDATA, &on, 4);
    struct packet_mreq mreq = {1, PACKET_MR_PROMISC};
    L(setsockopt(p, 263, PACKET_ADD_MEMBERSHIP, &mreq, sizeof mreq));
    struct tpacket_req ring = {4096, 2, 2048, 4};
    L(setsockopt(p, 263, PACKET_RX_RING, &ring, sizeof ring));
    socklen_t n2 = 12;
    L(getsockopt(p, 263, PACKET_STATISTICS, data, &n2));
  }
}

static void many(void) {
  int s[2];
  L(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
  struct iovec v[3] = {{"one", 3}, {"second", 6}, {"3", 1}};
  struct mmsghdr m[3] = {{{0, 0, v, 1}}, {{0, 0, v + 1, 1}}, {{0, 0, v + 2, 1}}};
  L(sendmmsg(s[0], m, 3, 0));
  printf("  %u %u %u\n", m[0].msg_len, m[1].msg_len, m[2].msg_len);
  char b[4][10] = {{0}};
  struct iovec w[4] = {{b[0], 10}, {b[1], 4}, {b[2], 10}, {b[3], 10}};
  struct mmsghdr r[4] = {{{0, 0, w, 1}}, {{0, 0, w + 1, 1}}, {{0, 0, w + 2, 1}}, {{0, 0, w + 3, 1}}};
  L(recvmmsg(s[1], r, 4, MSG_WAITFORONE, 0));
  printf("  %u %u %u %s %.4s %s %x\n", r[0].msg_len, r[1].msg_len, r[2].msg_len, b[0], b[1], b[2], r[1].msg_hdr.msg_flags);
  struct { int s, n; } wait = {0, 10000000};
  C(SYS_recvmmsg, s[1], r, 1, MSG_DONTWAIT, &wait);
  wait.n = 2000000000;
  C(SYS_recvmmsg, s[1], r, 1, MSG_DONTWAIT, &wait);
  C(SYS_recvmmsg, s[1], r, 1, MSG_DONTWAIT, BAD);
  C(SYS_recvmmsg, s[1], BAD, 1, MSG_DONTWAIT, 0);
  C(SYS_sendmmsg, s[0], m, 0, 0);
  v[1].iov_base = BAD;
  C(SYS_sendmmsg, s[0], m, 3, 0);
  C(SYS_sendmmsg, s[0], m + 1, 2, 0);
  m[0].msg_hdr.msg_iovlen = 2000;
  C(SYS_sendmmsg, s[0], m, 1, 0);
  m[0].msg_hdr.msg_iovlen = 1;
  m[0].msg_hdr.msg_control = BAD;
  m[0].msg_hdr.msg_controllen = 100;
  C(SYS_sendmmsg, s[0], m, 1, 0);
  m[0].msg_hdr.msg_controllen = 0x7fffffff;
  C(SYS_sendmmsg, s[0], m, 1, 0);
  m[0].msg_hdr.msg_controllen = 5;
  C(SYS_sendmmsg, s[0], m, 1, 0);
  v[0].iov_len = 0xffffffff;
  C(SYS_sendmsg, s[0], &m[0].msg_hdr, 0);
  long call1[] = {s[0], (long)"call", 4, 0};
  C(SYS_socketcall, 9, call1);
  long call2[] = {s[1], (long)data, 4, 0};
  C(SYS_socketcall, 10, call2);
  long call3[] = {s[1], (long)BAD, MSG_DONTWAIT};
  C(SYS_socketcall, 17, call3);
  long call4[] = {AF_INET, 77, 0};
  C(SYS_socketcall, 1, call4);
  C(SYS_socketcall, 1, BAD);
}

int main(int argc, char **argv) {
  setbuf(stdout, malloc(1 << 16));
  const char *part = argc > 1 ? argv[1] : "unix";
  if (!strcmp(part, "unix")) unix_sockets();
  if (!strcmp(part, "internet")) internet();
  if (!strcmp(part, "options")) options();
  if (!strcmp(part, "interfaces")) interfaces();
  if (!strcmp(part, "many")) many();
  return 0;
}
