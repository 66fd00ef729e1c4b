import java.net.Socket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/** Starts a TLS handshake: HOST PORT NAME. */
class Client {
    public static void main(String[] args) throws Exception {
        Socket plain = new Socket(args[0], Integer.parseInt(args[1]));
        SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
        SSLSocket socket = (SSLSocket) factory.createSocket(plain, args[2], Integer.parseInt(args[1]), true);
        socket.startHandshake();
    }
}
