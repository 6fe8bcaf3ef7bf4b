exec(open('/tmp/pairs.py').read())
import difflib, torch, lightgbm, zlib
from memsvc.index import words as W
from memsvc.models.encoder import *
RAW=re.compile(r"\w+(?:['’]\w+)*",re.U)
NUM=re.compile(r"\d+(?:[.,:]\d+)*")
def said(unit):
    c=unit.text[:unit.core_end]; return c.partition(': ')[2] or c
def pick(text,at,val):
    us=distil(text,at)
    if not us: return None
    for x in us:
        if val and val.lower() in x.text.lower(): return x
    return us[0]
class Side:
    pass
    def __init__(s,u):
        s.u=u; s.said=said(u); s.terms=set(W.terms(s.said)); s.raw=[w.lower() for w in RAW.findall(s.said)]
        if not any(c.isascii() and c.isalpha() for c in s.said): s.raw=[c for c in s.said if c.isalnum()]
        s.nums=set(NUM.findall(s.said)); s.ents={e.lower() for e in u.entities}
FEATS=['cos','shared','jac','inE','inL','nE','nL','prefix','suffix','ratio','dE','dL','numboth','numeq','numE','numL','entsh','entE','entL','timeE','timeL','first','evE','evL','stE','stL','ratioraw']
def feats(a,b):
    sh=len(a.terms&b.terms); n1,n2=len(a.terms),len(b.terms)
    p=0
    for x,y in zip(a.raw,b.raw):
        if x!=y: break
        p+=1
    q=0
    for x,y in zip(a.raw[::-1],b.raw[::-1]):
        if x!=y: break
        q+=1
    sm=difflib.SequenceMatcher(None,a.raw,b.raw,autojunk=False); m=sum(x.size for x in sm.get_matching_blocks())
    return [float(a.vec@b.vec),sh,sh/max(1,len(a.terms|b.terms)),sh/max(1,n1),sh/max(1,n2),n1,n2,p,q,2*m/max(1,len(a.raw)+len(b.raw)),len(a.raw)-m,len(b.raw)-m,
      bool(a.nums and b.nums),bool(a.nums and a.nums==b.nums),bool(a.nums),bool(b.nums),len(a.ents&b.ents),len(a.ents-b.ents),len(b.ents-a.ents),
      a.u.time is not None,b.u.time is not None,bool(a.raw and b.raw and a.raw[0]==b.raw[0]),a.u.kind=='event',b.u.kind=='event',a.u.kind=='state',b.u.kind=='state',m]
def build(fr,per=60,seed=0):
    from memsvc import bootstrap
    enc=ENC()
    ps=[]
    sides={}
    def side(text,at,val):
        u=pick(text,at,val)
        if u is None: return None
        if u.text not in sides: sides[u.text]=Side(u)
        return sides[u.text]
    for key,e,l,y,what,u,v in make(fr,seed,per):
        a=side(e,T1,u); b=side(l,T2,v if what not in('end',) else u)
        if a and b: ps.append((key,a,b,y,what,e,l))
    ss=list(sides.values())
    V=np.asarray(enc.encode([s.u.text for s in ss]),dtype=np.float32)
    for s,v in zip(ss,V): s.vec=v
    return ps
def ENC():
    from memsvc.settings import Settings
    from memsvc.models import encoder
    return ENCODER()
def ENC():
    from memsvc import bootstrap
    from memsvc.settings import Settings
    return bootstrap.load_encoder(Settings())
def project(ps, dims=48, epochs=30, seed=0):
    """linear map and probes on vectors of pairs: same matter? -> W (384,dims); probes U (384,p) for later: ends/changes, earlier: holds"""
    torch.manual_seed(seed); torch.set_num_threads(1)
    A=torch.tensor(np.stack([p[1].vec for p in ps])); B=torch.tensor(np.stack([p[2].vec for p in ps]))
    y=torch.tensor([float(p[3]) for p in ps])
    matter=torch.tensor([float(p[4] not in('cross','stands','stood','other value')) for p in ps])
    Wm=torch.nn.Linear(384,dims,bias=False); torch.nn.init.orthogonal_(Wm.weight)
    Pa=torch.nn.Linear(384,8,bias=False); Pb=torch.nn.Linear(384,8,bias=False)
    s=torch.nn.Parameter(torch.tensor([8.,-3.])); out=torch.nn.Linear(8+8+8+2,1)
    ps_=[*Wm.parameters(),*Pa.parameters(),*Pb.parameters(),s,*out.parameters()]
    opt=torch.optim.AdamW(ps_,lr=3e-3,weight_decay=3e-2)
    n=len(ps)
    for ep in range(epochs):
        idx=torch.randperm(n)
        for i in range(0,n,256):
            j=idx[i:i+256]; a,b=A[j],B[j]
            a=a+torch.randn_like(a)*.02; b=b+torch.randn_like(b)*.02
            za,zb=Wm(a),Wm(b); c=torch.nn.functional.cosine_similarity(za,zb)
            l1=torch.nn.functional.binary_cross_entropy_with_logits(s[0]*c+s[1],matter[j])
            pa,pb=torch.tanh(Pa(a)*4),torch.tanh(Pb(b)*4)
            x=torch.cat([pa,pb,pa*pb,c[:,None],(a*b).sum(1,keepdim=True)],1)
            l2=torch.nn.functional.binary_cross_entropy_with_logits(out(x)[:,0],y[j])
            loss=l1+l2
            opt.zero_grad(); loss.backward(); opt.step()
    with torch.no_grad():
        return Wm.weight.numpy().T.copy(),Pa.weight.numpy().T.copy(),Pb.weight.numpy().T.copy(),out.weight.numpy()[0].copy(),float(out.bias[0])
def pfeats(ps,M):
    Wm,Pa,Pb,o,b0=M
    A=np.stack([p[1].vec for p in ps]);B=np.stack([p[2].vec for p in ps])
    za,zb=A@Wm,B@Wm; c=(za*zb).sum(1)/(np.linalg.norm(za,axis=1)*np.linalg.norm(zb,axis=1)+1e-9)
    pa,pb=np.tanh(A@Pa*4),np.tanh(B@Pb*4)
    x=np.concatenate([pa,pb,pa*pb,c[:,None],(A*B).sum(1)[:,None]],1)
    return np.column_stack([c,x@o+b0])
def fold(kind,n=5): return zlib.crc32(kind.encode())%n
LP={'objective':'binary','learning_rate':.05,'num_leaves':15,'min_data_in_leaf':30,'feature_fraction':.6,'bagging_fraction':.7,'bagging_freq':1,'verbose':-1,"num_threads":1,'lambda_l2':5}
def pr(y,s,want=.92):
    o=np.argsort(-s); y=np.asarray(y)[o]; tp=np.cumsum(y); prec=tp/np.arange(1,len(y)+1)
    ok=np.flatnonzero(prec>=want); return (tp[ok[-1]]/max(1,y.sum()),float(s[o][ok[-1]])) if len(ok) else (0.,9.)
def cross(ps,groups,label):
    """out of fold scores; groups: array of fold ids"""
    X=np.array([feats(p[1],p[2]) for p in ps],dtype=np.float32); y=np.array([p[3] for p in ps]); S=np.zeros(len(ps)); S0=np.zeros(len(ps)); L=np.zeros(len(ps))
    for g in sorted(set(groups)):
        tr=np.flatnonzero(groups!=g); te=np.flatnonzero(groups==g)
        # inner out-of-fold features
        F=np.zeros((len(ps),2),dtype=np.float32)
        inner=np.array([fold(ps[i][0][1]+'x',3) for i in tr])
        for h in range(3):
            a=tr[inner!=h]; b=tr[inner==h]
            if len(b)==0: continue
            F[b]=pfeats([ps[i] for i in b],project([ps[i] for i in a]))
        M=project([ps[i] for i in tr]); F[te]=pfeats([ps[i] for i in te],M)
        XX=np.concatenate([X,F],1)
        t=lightgbm.train(LP,lightgbm.Dataset(XX[tr],y[tr]),200); S[te]=t.predict(XX[te]); L[te]=F[te,1]
        t0=lightgbm.train(LP,lightgbm.Dataset(X[tr],y[tr]),200); S0[te]=t0.predict(X[te])
    from sklearn.metrics import roc_auc_score as auc
    print(label,'n',len(ps),'pos',int(y.sum()),'AUC cos %.3f plain %.3f with vec %.3f linear %.3f'%(auc(y,X[:,0]),auc(y,S0),auc(y,S),auc(y,L)),'recall@p.92 plain %.2f vec %.2f; @p.8 %.2f %.2f'%(pr(y,S0)[0],pr(y,S)[0],pr(y,S0,.8)[0],pr(y,S,.8)[0]),flush=True)
    return S,S0
if __name__=='__main__':
    fr=frames(); ps=build(fr,per=int(sys.argv[1]) if len(sys.argv)>1 else 40)
    pickle.dump([(p[0],p[3],p[4],p[5],p[6]) for p in ps],open('/tmp/pairs.pkl','wb'))
    print(collections.Counter(p[0][0] for p in ps),collections.Counter(p[4] for p in ps))
    g=np.array([fold(p[0][1]) for p in ps]); S,S0=cross(ps,g,'kinds held out')
    y=np.array([p[3] for p in ps]);
    for w in sorted({p[4] for p in ps}):
        i=[n for n,p in enumerate(ps) if p[4]==w]; print('  ',w,len(i),'label',y[i].mean(),'mean score %.2f'%S[i].mean(),'share>.5 %.2f'%(S[i]>.5).mean())
    for lg in sorted({p[0][0] for p in ps}):
        i=[n for n,p in enumerate(ps) if p[0][0]==lg]; print('  ',lg,len(i),'recall@.92 %.2f acc %.2f'%(pr(y[i],S[i])[0],((S[i]>.5)==y[i]).mean()))
